using System.Globalization;
using Microsoft.Data.Sqlite;

namespace ProceduralMemory.ProcessTests;

/// <summary>Everything that workers acknowledged: what the database must hold, whatever happened to them.</summary>
internal sealed class Ledger
{
    private readonly Dictionary<string, string> _started = [];
    private readonly HashSet<(string TraceId, long Ordinal)> _steps = [];
    private readonly Dictionary<string, FinalizedTrace> _finalized = [];
    private readonly Dictionary<string, ReplayedProcedure> _replayed = [];
    private readonly Dictionary<string, string> _called = [];
    private readonly HashSet<(string Procedure, long Version)> _stored = [];

    /// <summary>The traces begun, each with the name of its procedure.</summary>
    public IReadOnlyDictionary<string, string> Started => _started;

    /// <summary>The recorded steps.</summary>
    public IReadOnlySet<(string TraceId, long Ordinal)> Steps => _steps;

    /// <summary>What became of the traces that were finalized.</summary>
    public IReadOnlyDictionary<string, FinalizedTrace> Finalized => _finalized;

    /// <summary>The executions that ended.</summary>
    public IReadOnlyDictionary<string, ReplayedProcedure> Replayed => _replayed;

    /// <summary>The steps that were called in some executions, in order.</summary>
    public IReadOnlyDictionary<string, string> Called => _called;

    /// <summary>The versions that were stored.</summary>
    public IReadOnlySet<(string Procedure, long Version)> Stored => _stored;

    /// <summary>How many replays were refused.</summary>
    public int Refused { get; private set; }

    /// <summary>What the maintenance passes said, in order: how many procedures they looked at, and how much they changed.</summary>
    public List<(int Looked, int Changes)> Passes { get; } = [];

    /// <summary>What the maintenance passes could not look at, and why.</summary>
    public List<string> Faults { get; } = [];

    /// <summary>How long the workers said that their operations took.</summary>
    public List<(int Operations, int Milliseconds)> Runs { get; } = [];

    /// <summary>How many acknowledgements were read.</summary>
    public int Acknowledgements { get; private set; }

    public void Add(string line)
    {
        Acknowledgements++;
        switch (line.Split(' '))
        {
            case ["ack", "started", var trace, var name]:
                _started.Add(trace, name);
                break;
            case ["ack", "step", var trace, var ordinal]:
                Assert.True(_steps.Add((trace, Number(ordinal))), line);
                break;
            case ["ack", "finalized", var trace, var procedure, var version, var steps]:
                _finalized.Add(trace, new FinalizedTrace(procedure, Number(version), Number(steps)));
                break;
            case ["ack", "replayed", var execution, var procedure, var version, var outcome]:
                _replayed.Add(execution, new ReplayedProcedure(procedure, Number(version), outcome.ToLowerInvariant()));
                break;
            case ["ack", "cancelled", var execution, var procedure]:
                _replayed.Add(execution, new ReplayedProcedure(procedure, Version: null, "cancelled"));
                break;
            case ["ack", "called", var execution, .. var steps]:
                _called.Add(execution, string.Join(' ', steps));
                break;
            case ["ack", "stored", var procedure, var version]:
                AddStored(procedure, Number(version));
                break;
            case ["ack", "revised", var looked, var changes]:
                Passes.Add((Number(looked), Number(changes)));
                break;
            case ["fault", ..]:
                Faults.Add(line);
                break;
            case ["ack", "refused", _]:
                Refused++;
                break;
            case ["ack", "listed" or "found", _]:
                break;
            case ["done", var operations, var milliseconds]:
                Acknowledgements--;
                Runs.Add((Number(operations), Number(milliseconds)));
                break;
            default:
                Assert.Fail($"The worker printed a line that means nothing: '{line}'.");
                break;
        }
    }

    /// <summary>Takes over what the test itself stored.</summary>
    public void Add(Procedure stored) => AddStored(stored.Name, stored.Version.Number);

    /// <summary>Takes over what another ledger holds.</summary>
    public void Add(Ledger other)
    {
        Acknowledgements += other.Acknowledgements;
        foreach (var (id, name) in other._started)
        {
            _started.Add(id, name);
        }

        _steps.UnionWith(other._steps);
        foreach (var (id, finalized) in other._finalized)
        {
            _finalized.Add(id, finalized);
        }

        foreach (var (id, replayed) in other._replayed)
        {
            _replayed.Add(id, replayed);
        }

        foreach (var (id, called) in other._called)
        {
            _called.Add(id, called);
        }

        _stored.UnionWith(other._stored);
        Refused += other.Refused;
        Passes.AddRange(other.Passes);
        Faults.AddRange(other.Faults);
        Runs.AddRange(other.Runs);
    }

    /// <summary>Checks that the database holds every acknowledged thing once, as it was acknowledged.</summary>
    public void AssertKeptIn(SqliteConnection connection)
    {
        var traces = connection.Rows("select id, name, status from traces").ToDictionary(r => r.Text(0));
        foreach (var (id, name) in _started)
        {
            Assert.True(traces.TryGetValue(id, out var trace), $"Trace {id} was acknowledged and is lost.");
            Assert.Equal(name, trace!.Text(1));
        }

        var steps = connection.Rows("select trace_id, ordinal, action, json_extract(arguments, '$.number') from trace_steps").ToDictionary(r => (r.Text(0), r.Number(1)));
        foreach (var (trace, ordinal) in _steps)
        {
            Assert.True(steps.TryGetValue((trace, ordinal), out var step), $"Step {ordinal} of trace {trace} was acknowledged and is lost.");
            Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"work.step_{ordinal}"), step!.Text(2));
            Assert.Equal(ordinal, step.Number(3));
        }

        var versions = connection
            .Rows("select v.trace_id, p.name, v.version, json_array_length(v.document, '$.steps') from procedure_versions v join procedures p on p.id = v.procedure_id where v.trace_id is not null")
            .ToDictionary(r => r.Text(0), r => new FinalizedTrace(r.Text(1), r.Number(2), r.Number(3)));
        foreach (var (trace, finalized) in _finalized)
        {
            Assert.Equal("completed", traces[trace].Text(2));
            Assert.True(versions.TryGetValue(trace, out var version), $"Trace {trace} was finalized as {finalized}, and there is no version of it.");
            Assert.Equal(finalized, version);
        }

        var executions = connection
            .Rows("select e.id, p.name, e.version, e.outcome from executions e join procedures p on p.id = e.procedure_id")
            .ToDictionary(r => r.Text(0), r => new ReplayedProcedure(r.Text(1), r.Number(2), r.Text(3)));
        foreach (var (id, replayed) in _replayed)
        {
            Assert.True(executions.TryGetValue(id, out var execution), $"Execution {id} was acknowledged and is lost.");
            Assert.Equal(replayed.Version is null ? replayed with { Version = execution!.Version } : replayed, execution);
        }
    }

    /// <summary>
    /// Checks that the database holds no more than was acknowledged and what was in flight: a worker does one thing after the other, so a kill leaves at most one
    /// that was written and not acknowledged any more.
    /// </summary>
    /// <returns>How many there are of these.</returns>
    public long AssertHoldsAtMostOneMoreForEach(int kills, SqliteConnection connection)
    {
        long[] more =
        [
            connection.Count("select count(*) from traces") - _started.Count,
            connection.Count("select count(*) from trace_steps") - _steps.Count,
            connection.Count("select count(*) from procedure_versions") - _finalized.Count,
            connection.Count("select count(*) from executions") - _replayed.Count,
        ];
        Assert.All(more, m => Assert.True(m >= 0, "Something was acknowledged and is lost."));
        Assert.True(more.Sum() <= kills, $"{string.Join(", ", more)} traces, steps, versions and executions were not acknowledged, after {kills} kills: something was written twice or out of nothing.");
        return more.Sum();
    }

    /// <summary>Checks that the database holds nothing else: for workers that all came to their end.</summary>
    public void AssertIsAllThereIsIn(SqliteConnection connection)
    {
        Assert.Equal(_started.Count, connection.Count("select count(*) from traces"));
        Assert.Equal(_steps.Count, connection.Count("select count(*) from trace_steps"));
        Assert.Equal(_finalized.Count, connection.Count("select count(*) from procedure_versions"));
        Assert.Equal(_replayed.Count, connection.Count("select count(*) from executions"));
        Assert.Equal(_started.Count, _finalized.Count);
    }

    private void AddStored(string procedure, long version) => Assert.True(_stored.Add((procedure, version)), $"Version {version} of {procedure} was stored twice.");

    private static int Number(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}

/// <summary>What became of a trace.</summary>
internal sealed record FinalizedTrace(string Procedure, long Version, long Steps);

/// <summary>A replay that ended; the version is not known of one that was cancelled.</summary>
internal sealed record ReplayedProcedure(string Procedure, long? Version, string Outcome);
