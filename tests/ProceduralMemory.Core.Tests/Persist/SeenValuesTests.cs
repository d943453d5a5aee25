using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Persist;

/// <summary>The values that recordings showed stay where they were seen.</summary>
public class SeenValuesTests
{
    private const string Seen = "Zanzibar-44";

    [Fact]
    public async Task Another_scope_that_reads_a_procedure_does_not_see_the_values_that_it_was_recorded_with()
    {
        var scope = new MemoryScope("team");
        using var world = TestMemory.InMemory(o => o.Scope = () => scope);
        await RecordAsync(world.Memory);
        Assert.Contains(Seen, Text(await world.Memory.GetAsync("ship")), StringComparison.Ordinal);

        scope = new MemoryScope("ada", "team");

        Assert.DoesNotContain(Seen, Text(await world.Memory.GetAsync("ship")), StringComparison.Ordinal);
        Assert.DoesNotContain(Seen, Text(await world.Memory.ListAsync()), StringComparison.Ordinal);
        Assert.DoesNotContain(Seen, Text(await world.Memory.ListVersionsAsync("ship")), StringComparison.Ordinal);
        foreach (var strategy in Enum.GetValues<FindStrategy>())
        {
            Assert.DoesNotContain(Seen, Text((await world.Memory.FindAsync("ship the order", new FindOptions { Strategy = strategy, MinimumScore = 0 })).Matches.Select(m => m.Procedure)), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task An_import_takes_no_values_over_that_were_seen_elsewhere()
    {
        using var world = TestMemory.InMemory();
        await RecordAsync(world.Memory);
        var document = await world.Memory.ExportAsync("ship");
        using var other = TestMemory.InMemory();

        var imported = await other.Memory.ImportAsync(document);

        Assert.Contains(Seen, document, StringComparison.Ordinal);
        Assert.All(imported.Version.Inputs, i => Assert.Empty(i.Examples));
        Assert.DoesNotContain(Seen, other.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_question_for_an_unconfirmed_constant_does_not_tell_its_value()
    {
        using var world = TestMemory.InMemory();
        await world.Memory.RecordedAsync(new RecordingDetails { Name = "ship" }, ("shop.ship", $$"""{"warehouse":"{{Seen}}"}""", """{"ok":true}"""));

        var refused = await world.Memory.ReplayAsync(new ScriptedExecutor(), "ship");

        Assert.Equal([ReplayProblemCodes.UnconfirmedConstant], refused.Problems.Select(p => p.Code));
        Assert.DoesNotContain(Seen, refused.Message, StringComparison.Ordinal);
        Assert.StartsWith("'ship' was not started, and nothing was called. 'ship' was recorded once, and the value that stood for 'warehouse' (shop.ship, argument warehouse) came from neither the request nor an earlier result.", refused.Message, StringComparison.Ordinal);
    }

    private static Task<Procedure> RecordAsync(ProcedureMemory memory) => memory.RecordedAsync(
        new RecordingDetails { Name = "ship", Description = "Ship the order", Inputs = Given.Values(("place", $"\"{Seen}\"")) }, ("shop.ship", $$"""{"place":"{{Seen}}"}""", """{"ok":true}"""));

    private static string Text(object value) => JsonSerializer.Serialize(value);
}
