using System.Globalization;
using Microsoft.Extensions.AI;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Tests.Recall;

/// <summary>A generator that works oddly, a store that fails beside a search, and vectors that are damaged.</summary>
public sealed class VectorFaultTests : IDisposable
{
    private static readonly FindOptions Low = new() { MinimumScore = 0.2 };

    private readonly MadeUpGenerator _generator = new();
    private readonly TestMemory _test;

    public VectorFaultTests() => _test = TestMemory.OnFile(o => o.EmbeddingGenerator = _generator);

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose()
    {
        _test.Dispose();
        _generator.Dispose();
    }

    [Fact]
    public async Task A_generator_that_works_before_it_returns_is_not_waited_for_either()
    {
        await FillAsync();
        var asked = new TaskCompletionSource();
        using var goOn = new ManualResetEventSlim();
        _generator.Instead = _ =>
        {
            asked.SetResult();
            goOn.Wait();
            throw new InvalidOperationException("Too late.");
        };

        // On another thread: this one would be what waits.
        var finding = Task.Run(() => Memory.FindAsync("refund the order"));
        await asked.Task;
        try
        {
            _test.Time.Advance(TimeSpan.FromSeconds(5));
            var result = await finding.WaitAsync(TimeSpan.FromMinutes(1));
            Assert.Equal("The request was searched by words alone: the generator of vectors took longer than 5 s (EmbeddingTimeout).", Assert.Single(result.Notes));
            Assert.Equal("refund", result.Matches[0].Procedure.Name);
        }
        finally
        {
            goOn.Set();
        }
    }

    [Fact]
    public async Task A_text_that_failed_is_tried_again_after_a_wait_that_grows()
    {
        await FillAsync();
        await Memory.FindAsync("refund the order");
        await Memory.StoreAsync(Named("poison", "Something with poison."));
        _generator.Instead = texts => texts.Any(t => t.Contains("with poison", StringComparison.Ordinal)) ? throw new HttpRequestException("503") : null;

        foreach (var (minutes, isTried) in new[] { (0, true), (0, false), (1, true), (1, false), (1, true), (3, false), (1, true), (7, false), (1, true) })
        {
            Assert.Equal(isTried, await IsTriedAsync(minutes));
        }

        for (var i = 0; i < 20; i++)
        {
            Assert.True(await IsTriedAsync(60));
        }

        // It may be that the whole text is another.
        Assert.False(await IsTriedAsync(1));
        await Memory.StoreAsync(Named("poison", "Another thing with poison."), asNewVersion: true);
        Assert.True(await IsTriedAsync(0));

        _generator.Instead = null;
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Empty((await Memory.FindAsync("refund the order")).Notes);
        Assert.Equal("4", Vectors());
    }

    [Fact]
    public async Task A_text_that_took_too_long_waits_for_a_minute_however_often()
    {
        await FillAsync();
        await Memory.FindAsync("refund the order");
        await Memory.StoreAsync(Named("poison", "Something with poison."));
        _generator.Instead = texts => texts.Any(t => t.Contains("with poison", StringComparison.Ordinal)) ? throw new TimeoutException() : null;

        for (var i = 0; i < 5; i++)
        {
            Assert.True(await IsTriedAsync(1));
            Assert.False(await IsTriedAsync(0));
        }
    }

    [Fact]
    public async Task Making_all_vectors_takes_smaller_portions_where_large_ones_are_too_much()
    {
        await FillAsync(70);
        _generator.Instead = texts => texts.Count > 20 ? throw new TimeoutException() : null;

        Assert.Equal(new ReembedResult(73, 0, null), await Memory.ReembedAsync());

        // Sixty-four texts one by one would be as many calls.
        Assert.InRange(_generator.Asked.Count, 8, 30);
        Assert.Equal("73", Vectors());
    }

    [Fact]
    public async Task Making_all_vectors_gives_up_where_none_can_be_made()
    {
        await FillAsync(70);
        _generator.Instead = _ => throw new HttpRequestException("401");

        Assert.Equal(new ReembedResult(0, 73, "the generator of vectors failed with HttpRequestException."), await Memory.ReembedAsync());

        Assert.InRange(_generator.Asked.Count, 10, 20);
    }

    [Fact]
    public async Task One_text_that_is_refused_costs_no_other_its_vector_whatever_its_place()
    {
        await FillAsync(40);
        await Memory.StoreAsync(Named("poison", "Something with poison."));
        await FillMoreAsync(40, from: 100);
        _generator.Instead = texts => texts.Any(t => t.Contains("with poison", StringComparison.Ordinal)) ? throw new ArgumentException("no") : null;

        Assert.Equal(new ReembedResult(83, 1, "the generator of vectors failed with ArgumentException."), await Memory.ReembedAsync());
    }

    [Theory]
    [InlineData("before insert on procedure_vectors")]
    [InlineData("before update on search_state when new.change > old.change")]
    public async Task Vectors_that_the_store_does_not_take_cost_the_search_nothing_and_that_is_said(string fault)
    {
        await FillAsync();
        await Memory.FindAsync("refund the order", new FindOptions { Strategy = FindStrategy.Words });
        _test.Execute($"create trigger full {fault} begin select raise(abort, 'the disk is full'); end");

        var result = await Memory.FindAsync("refund the order");

        Assert.Equal("refund", result.Matches[0].Procedure.Name);
        Assert.Equal(["The vectors of new procedures could not be kept (StoreFault.Failed).", "3 procedures have no vector yet and were searched by words alone. ReembedAsync makes them all."], result.Notes);

        _test.Execute("drop trigger full");
        Assert.Empty((await Memory.FindAsync("refund the order")).Notes);
    }

    [Fact]
    public async Task Vectors_that_cannot_be_read_cost_the_search_its_vectors_and_that_is_said()
    {
        await FillAsync();
        await Memory.FindAsync("refund the order");
        _test.Execute("alter table procedure_vectors rename to elsewhere");
        using var memory = _test.Open();

        var result = await memory.FindAsync("refund the order");

        Assert.False(result.UsedVectors);
        Assert.Equal("refund", result.Matches[0].Procedure.Name);
        Assert.Equal("The request was searched by words alone: the stored vectors could not be read (StoreFault.Failed).", Assert.Single(result.Notes));
    }

    [Theory]
    [InlineData("zeroblob(length(vector))")]
    [InlineData("x'0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f'")]
    [InlineData("substr(vector, 1, length(vector) - 4)")]
    [InlineData("substr(vector, 1, length(vector) - 3)")]
    [InlineData("cast(vector || zeroblob(4) as blob)")]
    [InlineData("x''")]
    [InlineData("x'0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f'")]
    public async Task A_damaged_vector_counts_as_none_and_is_made_anew(string damage)
    {
        await FillAsync();
        await Memory.FindAsync("refund the order");
        var whole = _test.Rows("select hex(vector) from procedure_vectors order by procedure_id");
        _test.Execute($"update procedure_vectors set vector = {damage} where procedure_id = (select id from procedures where name = 'refund')");
        using var readOnly = _test.Open(o => o.ReadOnly = true);

        var found = await readOnly.FindAsync("reimburse that purchase", Low);
        Assert.Equal("1 procedures have no vector yet and were searched by words alone. ReembedAsync makes them all.", Assert.Single(found.Notes));
        Assert.All(found.Matches.Concat(found.NearMisses), m => Assert.True(m.Similarity is null or (>= -1.001 and <= 1.001)));

        using var writer = _test.Open();
        var mended = await writer.FindAsync("reimburse that purchase", Low);
        Assert.Empty(mended.Notes);
        Assert.Equal("refund", mended.Matches[0].Procedure.Name);
        Assert.Equal(whole, _test.Rows("select hex(vector) from procedure_vectors order by procedure_id"));
    }

    [Fact]
    public async Task What_is_said_and_what_is_done_may_be_opposite_to_the_model()
    {
        await Memory.StoreAsync(Named("refund", "Refunds the order."));
        _generator.Instead = texts => texts.Count == 2 ? Task.FromResult(MadeUpGenerator.Vectors([[1, 0, 0], [-1, 0, 0]])) : Task.FromResult(MadeUpGenerator.Vectors([[1, 0, 0]]));

        await Memory.FindAsync("refund the order");
        var result = await Memory.FindAsync("refund the order");

        Assert.Empty(result.Notes);
        Assert.True(result.UsedVectors);
        Assert.Equal(3, _generator.Asked.Count);
    }

    private static ProcedureDefinition Named(string name, string description) => Given.Definition(name, Given.Step("t.a")) with { Description = description };

    /// <summary>Whether a search after so many minutes tries the text with poison.</summary>
    private async Task<bool> IsTriedAsync(int minutes)
    {
        _test.Time.Advance(TimeSpan.FromMinutes(minutes));
        _generator.Asked.Clear();
        var result = await Memory.FindAsync("refund the order");
        Assert.True(result.UsedVectors);
        return _generator.Asked.Exists(a => a.Any(t => t.Contains("with poison", StringComparison.Ordinal)));
    }

    private async Task FillAsync(int more = 0)
    {
        await Memory.StoreAsync(Named("refund", "Refunds the order."));
        await Memory.StoreAsync(Named("service", "Deploys a service."));
        await Memory.StoreAsync(Named("plants", "Waters the plants."));
        await FillMoreAsync(more, from: 0);
    }

    private async Task FillMoreAsync(int count, int from)
    {
        for (var i = from; i < from + count; i++)
        {
            await Memory.StoreAsync(Named(string.Create(CultureInfo.InvariantCulture, $"other {i}"), "Something else."));
        }
    }

    private string Vectors() => _test.Rows("select count(*) from procedure_vectors")[0];
}
