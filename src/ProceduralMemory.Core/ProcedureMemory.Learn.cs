using System.Globalization;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Recall;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    // How many procedures are looked at to see whether a turn shows one of them.
    private const int MaxCompared = 10;

    private static readonly FindOptions Shown = new() { Top = MaxCompared, MinimumScore = 0, WordsOnly = true, States = [VersionState.Active, VersionState.Draft, VersionState.Quarantined] };

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
    public Turn BeginTurn(string? request = null) => BeginTurn(request, hasExactEnd: true);

    /// <summary>The same for a turn whose end may be seen late.</summary>
    internal Turn BeginTurn(string? request, bool hasExactEnd)
    {
        var scope = CurrentScope();
        var mode = Learning;
        var whyNot = mode is not (LearningMode.Propose or LearningMode.Automatic) ? "Nothing is learned from turns."
            : Options.ReadOnly ? "The memory is opened for reading only."
            : Quiet.Covers(this) ? "It was not to be learned." : null;
        return new Turn(this, scope, request, whyNot is null ? ProcedureRecorder.ForTurn(this, scope) : null, whyNot) { Mode = mode, HasExactEnd = hasExactEnd };
    }

    internal void LogNothingLearned(string because) => Log.NothingLearned(_logger, because);

    /// <summary>What hosts do for a turn may itself be a chat: nothing is learned from that, and the turn that has ended is none of its.</summary>
    internal IDisposable Quietly() => new Quiet(this, QuietFlow.Value);

    /// <summary>Learns from a turn that was answered, where it was a task done well.</summary>
    /// <param name="trace">Its calls.</param>
    /// <param name="redactedRequest">Gives what the user asked for, redacted.</param>
    /// <param name="mode">What was learned when it began.</param>
    /// <param name="duration">How long it took.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    internal async Task<TurnResult> LearnAsync(Trace trace, Func<string?> redactedRequest, LearningMode mode, TimeSpan duration, CancellationToken cancellationToken)
    {
        // Most turns are no task: nothing dear is done before that is known.
        var calls = TraceCleaner.CallsOf(trace, Options).Count;
        if (calls < Options.MinimumTurnCalls)
        {
            return new TurnResult(null, null, string.Create(CultureInfo.InvariantCulture, $"It had {calls} {(calls == 1 ? "call" : "calls")} that succeeded; a task has at least {Options.MinimumTurnCalls}."));
        }

        using var quiet = Quietly();
        var report = new TurnReport
        {
            Request = redactedRequest(),
            Calls = trace.Steps,
            FailedCalls = TraceCleaner.FailuresOf(trace, Options),
            Usage = new TraceUsage(trace.ModelCalls, trace.InputTokens, trace.OutputTokens),
            Duration = duration,
        };
        if (await WhyNoTaskAsync(report, cancellationToken).ConfigureAwait(false) is { } whyNot)
        {
            return new TurnResult(null, null, whyNot);
        }

        trace = trace with { Request = report.Request, EndedAt = trace.StartedAt + duration };

        // A namer may take its time, in which no other turn is to wait.
        var naming = _namer is not null && await FindShownAsync(trace, cancellationToken).ConfigureAwait(false) is null ? await NameAsync(report, cancellationToken).ConfigureAwait(false) : null;
        await _learns.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                var known = await FindShownAsync(trace, cancellationToken).ConfigureAwait(false);
                naming ??= known is null ? await NameAsync(report, cancellationToken).ConfigureAwait(false) : null;
                try
                {
                    var learned = await DistillAsync(
                        trace with
                        {
                            // What another process stored meanwhile is another trace.
                            Id = attempt == 1 ? trace.Id : Guid.CreateVersion7(Time.GetUtcNow()),
                            Name = known?.Name ?? await FreeNameAsync(naming!.Name, trace.Scope, cancellationToken).ConfigureAwait(false),
                            Description = known is null ? naming!.Description : "",
                        },
                        report.Usage,
                        replace: false,
                        cancellationToken,
                        new LearnedTurn(known, mode)).ConfigureAwait(false);
                    if (learned.Procedure is { } taught)
                    {
                        Log.TurnLearned(_logger, taught.Name, taught.Version.Number, taught.Version.State, learned.TraceId);
                    }

                    return new TurnResult(report.Request, learned, learned.Message);
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

    private async Task<string?> WhyNoTaskAsync(TurnReport report, CancellationToken cancellationToken)
    {
        var verdict = _turnJudge is { } judge ? await judge.JudgeAsync(report, cancellationToken).ConfigureAwait(false) : null;
        return verdict switch
        {
            true => null,
            false => "The host judged that it was no task to learn.",
            _ => report.FailedCalls is [] ? null : $"{string.Join(", ", report.FailedCalls.Select(f => f.Action).Distinct(StringComparer.Ordinal))} failed and did not succeed afterwards.",
        };
    }

    /// <summary>The procedure that a turn shows, of those that are written in its scope. Of those without an active version only drafts count that were recorded here: a document that nobody has looked at is not to become part of what was learned.</summary>
    private async Task<Procedure?> FindShownAsync(Trace trace, CancellationToken cancellationToken)
    {
        var actions = string.Join(' ', trace.Steps.Select(s => s.Action).Distinct(StringComparer.OrdinalIgnoreCase));

        // Words may rank others before it; what calls the same is the same.
        return SkillFinder.Find(await KnownAsync($"{trace.Request} {actions}").ConfigureAwait(false), trace, Options)
            ?? SkillFinder.Find(await KnownAsync(actions).ConfigureAwait(false), trace, Options);

        async Task<IEnumerable<Procedure>> KnownAsync(string words) =>
            (await FindInAsync(new MemoryScope(trace.Scope), words, Shown, cancellationToken).ConfigureAwait(false)).Matches.Select(m => m.Procedure)
                .Where(p => p.ActiveVersion is not null || p.Version is { State: VersionState.Draft, Reason: VersionReason.Recorded or VersionReason.Edited, Origin: not ProcedureOrigin.Import });
    }

    private async Task<ProcedureNaming> NameAsync(TurnReport report, CancellationToken cancellationToken)
    {
        var naming = (_namer is { } namer ? await namer.NameAsync(report, cancellationToken).ConfigureAwait(false) : null) ?? RequestNamer.Name(report);
        ProcedureValidator.Check(new RecordingDetails { Name = naming.Name, Description = naming.Description }, Options);
        return naming;
    }

    /// <summary>The name, with a number behind it where it is taken.</summary>
    private async Task<string> FreeNameAsync(string name, string scope, CancellationToken cancellationToken)
    {
        var taken = (await Store.ListNamesAsync([scope], cancellationToken).ConfigureAwait(false)).Select(NameKey).ToHashSet(StringComparer.Ordinal);
        var free = name = name.Trim();
        for (var number = 2; taken.Contains(NameKey(free)); number++)
        {
            var ending = string.Create(CultureInfo.InvariantCulture, $"_{number}");
            free = name[..Math.Min(name.Length, ProcedureValidator.MaxNameLength - ending.Length)] + ending;
        }

        return free;
    }

    /// <summary>How a trace comes to be distilled of which nobody said that it is to be recorded.</summary>
    /// <param name="Known">The procedure that it shows; <see langword="null"/> where it shows a new skill.</param>
    /// <param name="Mode">What was learned when it began.</param>
    private sealed record LearnedTurn(Procedure? Known, LearningMode Mode);

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
