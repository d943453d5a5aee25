using System.Globalization;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Recall;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    // How many procedures are looked at to see whether a turn shows one of them.
    private const int MaxCompared = 10;

    private static readonly AsyncLocal<Quiet?> QuietFlow = new();

    // One turn is learned at a time, so that of two that show the same new skill the second sharpens what the first taught.
    private readonly SemaphoreSlim _learns = new(1, 1);
    private int _learning;

    /// <summary>What is learned of turns from now on; turns that are under way are learned from as they began. It begins as <see cref="ProceduralMemoryOptions.Learning"/>.</summary>
    public LearningMode Learning
    {
        get => (LearningMode)Volatile.Read(ref _learning);
        set => Volatile.Write(ref _learning, (int)(Enum.IsDefined(value) ? value : throw new ArgumentOutOfRangeException(nameof(value), value, $"There is no such mode; there are {string.Join(", ", Enum.GetNames<LearningMode>())}.")));
    }

    /// <summary>The turn that the current code runs in; <see langword="null"/> when there is none.</summary>
    public Turn? CurrentTurn => Turn.Current(this);

    /// <summary>
    /// Sees to it that nothing is learned from the turn that the current code runs in, nor from turns that begin in what is called and awaited until the returned object is disposed:
    /// <c>using (memory.DoNotLearn()) { await chat.GetChatMessageContentAsync(…); }</c>.
    /// </summary>
    public IDisposable DoNotLearn()
    {
        CurrentTurn?.DoNotLearn();
        return new Quiet(this, QuietFlow.Value);
    }

    /// <summary>
    /// Begins a turn, for an adapter of a chat framework: what the user asked for, up to the agent's answer. Where turns are learned from (<see cref="Learning"/>), its calls are recorded; they are
    /// kept in memory until it has ended.
    /// </summary>
    /// <param name="request">What the user asked for; <see langword="null"/> when unknown.</param>
    public Turn BeginTurn(string? request = null)
    {
        var scope = CurrentScope();
        var whyNot = Learning is not (LearningMode.Propose or LearningMode.Automatic) ? "Nothing is learned from turns."
            : Options.ReadOnly ? "The memory is opened for reading only."
            : Quiet.Covers(this) ? "It was not to be learned." : null;
        return new Turn(this, scope, request, whyNot is null ? ProcedureRecorder.ForTurn(this, scope) : null, whyNot);
    }

    /// <summary>Learns from a turn that was answered, where it was a task done well.</summary>
    internal async Task<TurnResult> LearnAsync(Trace trace, string? request, TimeSpan duration, CancellationToken cancellationToken)
    {
        var report = new TurnReport
        {
            Request = request,
            Calls = trace.Steps,
            FailedCalls = TraceCleaner.FailuresOf(trace, Options),
            Usage = new TraceUsage(trace.ModelCalls, trace.InputTokens, trace.OutputTokens),
            Duration = duration,
        };
        if (await WhyNoTaskAsync(trace, report, cancellationToken).ConfigureAwait(false) is { } whyNot)
        {
            return new TurnResult(null, null, whyNot);
        }

        await _learns.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                var known = await FindShownAsync(trace, request, cancellationToken).ConfigureAwait(false);
                var naming = known is null ? await NameAsync(report, trace, cancellationToken).ConfigureAwait(false) : new ProcedureNaming(known.Name, "");
                try
                {
                    var learned = await DistillAsync(
                        trace with { Request = ModelText.Shortened(request), Name = naming.Name, Description = naming.Description },
                        report.Usage,
                        replace: false,
                        cancellationToken,
                        new LearnedTurn(known)).ConfigureAwait(false);
                    return new TurnResult(request, learned, learned.Message);
                }
                catch (ProcedureConflictException) when (attempt < MaxDistillAttempts)
                {
                    // Another process learned the same, or took the name, meanwhile.
                }
            }
        }
        finally
        {
            _learns.Release();
        }
    }

    private async Task<string?> WhyNoTaskAsync(Trace trace, TurnReport report, CancellationToken cancellationToken)
    {
        var calls = TraceCleaner.CallsOf(trace, Options).Count;
        if (calls < Options.MinimumTurnCalls)
        {
            return string.Create(CultureInfo.InvariantCulture, $"It had {calls} calls that succeeded; a task has at least {Options.MinimumTurnCalls}.");
        }

        var verdict = _turnJudge is { } judge ? await judge.JudgeAsync(report, cancellationToken).ConfigureAwait(false) : null;
        return verdict switch
        {
            true => null,
            false => "The host judged that it was no task to learn.",
            _ => report.FailedCalls is [] ? null : $"{string.Join(", ", report.FailedCalls.Select(f => f.Action).Distinct(StringComparer.Ordinal))} failed and did not succeed afterwards.",
        };
    }

    /// <summary>The procedure that a turn shows, of those that are written in its scope, drafts included.</summary>
    private async Task<Procedure?> FindShownAsync(Trace trace, string? request, CancellationToken cancellationToken)
    {
        var actions = string.Join(' ', trace.Steps.Select(s => s.Action).Distinct(StringComparer.OrdinalIgnoreCase));
        var options = new FindOptions { Top = MaxCompared, MinimumScore = 0, States = [VersionState.Active, VersionState.Draft, VersionState.Quarantined] };
        var scope = new MemoryScope(trace.Scope);
        IEnumerable<Procedure> known = await FindInAsync(scope, $"{request} {actions}", options, cancellationToken).ConfigureAwait(false) is { Matches: { Count: > 0 } matches }
            ? matches.Select(m => m.Procedure)
            : [];
        if (SkillFinder.Find(known, trace, Options) is { } shown)
        {
            return shown;
        }

        // Words may rank others before it; what calls the same is the same.
        return SkillFinder.Find((await FindInAsync(scope, actions, options, cancellationToken).ConfigureAwait(false)).Matches.Select(m => m.Procedure), trace, Options);
    }

    /// <summary>Names what a turn taught anew. A name that is taken gets a number behind it.</summary>
    private async Task<ProcedureNaming> NameAsync(TurnReport report, Trace trace, CancellationToken cancellationToken)
    {
        var naming = (_namer is { } namer ? await namer.NameAsync(report, cancellationToken).ConfigureAwait(false) : null) ?? RequestNamer.Name(report);
        ProcedureValidator.Check(new RecordingDetails { Name = naming.Name, Description = naming.Description }, Options);
        var taken = (await Store.ListNamesAsync([trace.Scope], cancellationToken).ConfigureAwait(false)).Select(NameKey).ToHashSet(StringComparer.Ordinal);
        var name = naming.Name.Trim();
        for (var number = 2; taken.Contains(NameKey(name)); number++)
        {
            name = string.Create(CultureInfo.InvariantCulture, $"{naming.Name.Trim()}_{number}");
        }

        return naming with { Name = name };
    }

    /// <summary>How a trace comes to be distilled of which nobody said that it is to be recorded.</summary>
    /// <param name="Known">The procedure that it shows; <see langword="null"/> where it shows a new skill.</param>
    private sealed record LearnedTurn(Procedure? Known);

    /// <summary>A flow in which nothing is learned from turns.</summary>
    private sealed class Quiet : IDisposable
    {
        private readonly ProcedureMemory _memory;
        private readonly Quiet? _outer;
        private volatile bool _isOver;

        public Quiet(ProcedureMemory memory, Quiet? outer)
        {
            (_memory, _outer) = (memory, outer);
            QuietFlow.Value = this;
        }

        public static bool Covers(ProcedureMemory memory)
        {
            for (var quiet = QuietFlow.Value; quiet is not null; quiet = quiet._outer)
            {
                if (quiet._memory == memory && !quiet._isOver)
                {
                    return true;
                }
            }

            return false;
        }

        public void Dispose()
        {
            _isOver = true;
            if (QuietFlow.Value == this)
            {
                QuietFlow.Value = _outer;
            }
        }
    }
}
