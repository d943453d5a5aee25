using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using ProceduralMemory.Persist;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Tests.Recall;

/// <summary>The vectors that are held in memory are those of the store, whoever reads them at the same time.</summary>
public sealed class ScopeVectorsTests
{
    private static readonly Guid First = Id(1);
    private static readonly Guid Second = Id(2);

    [Fact]
    public async Task Searches_at_the_same_time_lose_nothing_of_what_the_store_says()
    {
        var store = new ScriptedVectors();
        var vectors = new ScopeVectors();
        store.Says(without: [First]);
        var one = vectors.RefreshAsync(store, "s", "m", CancellationToken.None);
        store.Says(vectors: [First]);
        var two = vectors.RefreshAsync(store, "s", "m", CancellationToken.None);
        store.Answer(1);
        store.Says(vectors: [Second]);
        var three = vectors.RefreshAsync(store, "s", "m", CancellationToken.None);

        // What was read first comes last but one.
        store.Answer(0);
        store.AnswerAll();
        await Task.WhenAll(one, two, three);

        await vectors.RefreshAsync(store, "s", "m", CancellationToken.None);
        Assert.Equal((2, 0, 3L), (vectors.Count, vectors.PendingCount, vectors.Change));
    }

    [Fact]
    public async Task A_search_that_is_cancelled_while_another_reads_does_not_wait_for_it()
    {
        var store = new ScriptedVectors();
        var vectors = new ScopeVectors();
        store.Says(vectors: [First]);
        var reading = vectors.RefreshAsync(store, "s", "m", CancellationToken.None);
        using var cancellation = new CancellationTokenSource();
        var waiting = vectors.RefreshAsync(store, "s", "m", cancellation.Token);

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        store.AnswerAll();
        await reading;
        Assert.Equal(1, vectors.Count);
    }

    [Fact]
    public async Task A_vector_that_a_store_gives_unchecked_is_not_taken_in()
    {
        var store = new ScriptedVectors { AnswersAtOnce = true };
        var vectors = new ScopeVectors();
        store.Says(vectors: [First, Second]);
        await vectors.RefreshAsync(store, "s", "m", CancellationToken.None);

        store.Vector = [float.NaN, 0];
        store.Says(vectors: [Second]);
        await vectors.RefreshAsync(store, "s", "m", CancellationToken.None);

        Assert.Equal(1, vectors.Count);
        Assert.Equal(First, Assert.Single(vectors.Nearest([1, 0], 10, null, out _, CancellationToken.None)!).Id);
    }

    [Fact]
    public async Task A_request_of_another_length_is_compared_with_nothing()
    {
        var store = new ScriptedVectors { AnswersAtOnce = true };
        var vectors = new ScopeVectors();
        store.Says(vectors: [First]);
        await vectors.RefreshAsync(store, "s", "m", CancellationToken.None);

        Assert.Null(vectors.Nearest([1, 0, 0], 10, null, out var cosineOf, CancellationToken.None));
        Assert.Null(cosineOf(First));
    }

    [Fact]
    public async Task The_nearest_are_so_many_over_all_scopes_and_only_those_that_are_wanted()
    {
        var scopes = new List<ScopeVectors>();
        for (var scope = 0; scope < 5; scope++)
        {
            var store = new ScriptedVectors { AnswersAtOnce = true };
            for (var i = 0; i < 50; i++)
            {
                var angle = ((scope * 50) + i) / 200f;
                store.Vector = [MathF.Cos(angle), MathF.Sin(angle)];
                store.Says(vectors: [Id((scope * 50) + i)]);
            }

            scopes.Add(new ScopeVectors());
            await scopes[^1].RefreshAsync(store, "s", "m", CancellationToken.None);
        }

        var near = new NearVectors(scopes, [1, 0]);

        Assert.Equal(100, near.Nearest(100, null, CancellationToken.None).Distinct().Count());
        var few = near.Nearest(30, id => id != Id(3), CancellationToken.None);
        Assert.Equal(30, few.Count);
        Assert.DoesNotContain(Id(3), few);
        Assert.NotNull(near.CosineOf(Id(3)));
        Assert.Null(near.CosineOf(Id(999)));
    }

    [Fact]
    public async Task Of_more_scopes_than_are_kept_the_one_used_longest_ago_is_read_again()
    {
        var store = new ScriptedVectors { AnswersAtOnce = true };
        store.Says(vectors: [First]);
        using var generator = new MadeUpGenerator(2);
        var vectors = new ProcedureVectors(new ProceduralMemoryOptions(), generator, store, NullLogger.Instance);
        for (var i = 0; i < ProcedureVectors.MaxScopes; i++)
        {
            await SearchAsync(i);
        }

        await SearchAsync(0);
        Assert.Equal(ProcedureVectors.MaxScopes, store.FirstReads);
        await SearchAsync(ProcedureVectors.MaxScopes);

        Assert.Equal(ProcedureVectors.MaxScopes, vectors.HeldScopes);
        await SearchAsync(0);
        Assert.Equal(ProcedureVectors.MaxScopes + 1, store.FirstReads);
        await SearchAsync(1);
        Assert.Equal(ProcedureVectors.MaxScopes + 2, store.FirstReads);

        async Task SearchAsync(int scope) => Assert.NotNull(await vectors.NearestAsync("r", [string.Create(CultureInfo.InvariantCulture, $"s{scope}")], [], CancellationToken.None));
    }

    private static Guid Id(int number) => new(number, 0, 0, new byte[8]);

    /// <summary>A store that says what changed as it was told, and answers when it is let.</summary>
    private sealed class ScriptedVectors : IProcedureSearch
    {
        private readonly List<(long Change, Guid Id, float[]? Vector)> _changes = [];
        private readonly List<(TaskCompletionSource<VectorChanges> Answer, VectorChanges Changes)> _reads = [];

        public bool AnswersAtOnce { get; set; }

        public float[] Vector { get; set; } = [1, 0];

        /// <summary>How many read from the beginning.</summary>
        public int FirstReads { get; private set; }

        public void Says(IReadOnlyList<Guid>? vectors = null, IReadOnlyList<Guid>? without = null)
        {
            var change = _changes.Count == 0 ? 1 : _changes[^1].Change + 1;
            _changes.AddRange((vectors ?? []).Select(v => (change, v, (float[]?)Vector)));
            _changes.AddRange((without ?? []).Select(v => (change, v, (float[]?)null)));
        }

        public void Answer(int read)
        {
            if (read < _reads.Count)
            {
                _reads[read].Answer.TrySetResult(_reads[read].Changes);
            }
        }

        public void AnswerAll()
        {
            AnswersAtOnce = true;
            for (var i = 0; i < _reads.Count; i++)
            {
                Answer(i);
            }
        }

        public Task<VectorChanges> ReadVectorsAsync(string scope, string model, long sinceChange, CancellationToken cancellationToken = default)
        {
            FirstReads += sinceChange == 0 ? 1 : 0;
            var later = _changes.Where(c => c.Change > sinceChange).ToList();
            var changes = new VectorChanges(
                _changes[^1].Change,
                [.. later.Where(c => c.Vector is not null).Select(c => new ProcedureVector(c.Id, c.Change, c.Vector))],
                [.. later.Where(c => c.Vector is null && !_changes.Exists(v => v.Id == c.Id && v.Vector is not null)).Select(c => new VectorText(c.Id, c.Change, "text", ""))]);
            if (AnswersAtOnce)
            {
                return Task.FromResult(changes);
            }

            _reads.Add((new TaskCompletionSource<VectorChanges>(), changes));
            return _reads[^1].Answer.Task;
        }

        public Task<SearchCandidates> SearchAsync(SearchQuery query, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task<IReadOnlyList<Procedure>> ReadProceduresAsync(IReadOnlyList<string> scopes, IReadOnlyList<Guid> ids, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task<IReadOnlySet<Guid>> ListIdsAsync(IReadOnlyList<string> scopes, IReadOnlyCollection<VersionState> states, IReadOnlyList<string> tags, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task<int> RebuildIndexAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task WriteVectorsAsync(string model, IReadOnlyList<ProcedureVector> vectors, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task DeleteVectorsExceptAsync(IReadOnlyList<string> scopes, string model, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }
}
