using ProceduralMemory.Persist;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;
using static System.FormattableString;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    // In the evidence of a decision: the version that was active when it was made.
    private const string ReplacedVersion = "active";

    /// <summary>Keeps the active version whatever the evidence says: from now on only persons change which one is replayed, and nothing stops the procedure by itself.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="by">The person, as your records name them: at most 200 characters. It is kept with the time.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    public Task<Procedure> PinAsync(string name, string by, CancellationToken cancellationToken = default) =>
        SetPinnedAsync(name, pinned: true, Note(RevisionKind.Pinned, "the active version stays", by), cancellationToken);

    /// <summary>Lets the evidence decide again.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="by">The person, as your records name them: at most 200 characters. It is kept with the time.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    public Task<Procedure> UnpinAsync(string name, string by, CancellationToken cancellationToken = default) =>
        SetPinnedAsync(name, pinned: false, Note(RevisionKind.Unpinned, "the evidence decides again", by), cancellationToken);

    /// <summary>Stops a procedure: it is neither found nor replayed until <see cref="ReleaseAsync"/>, or until a version is activated. What is running goes on.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="reason">Why, in a few words; it is told to whoever asks for a replay.</param>
    /// <param name="by">The person, as your records name them: at most 200 characters. It is kept with the time.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ProcedureConflictException">It has no active version that could be stopped.</exception>
    /// <exception cref="ArgumentException">Nobody is named, or no reason is given.</exception>
    public Task<Procedure> QuarantineAsync(string name, string reason, string by, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        return ChangeAsync(
            name,
            p => p.ActiveVersion is null || p.IsRetired
                ? throw new ProcedureConflictException(p.Name, $"'{p.Name}' {(p.IsRetired ? "is retired" : "has no active version")}: there is nothing to stop.")
                : new ProcedureChange { ProcedureId = p.Id, Quarantined = true, Note = Note(RevisionKind.Quarantined, Redacted(reason), by), At = Time.GetUtcNow() },
            cancellationToken);
    }

    /// <summary>Lets a procedure be found and replayed again that was stopped.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="by">The person, as your records name them: at most 200 characters. It is kept with the time.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ProcedureConflictException">It is not in quarantine.</exception>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    public Task<Procedure> ReleaseAsync(string name, string by, CancellationToken cancellationToken = default) => ChangeAsync(
        name,
        p => p.QuarantinedAt is null
            ? throw new ProcedureConflictException(p.Name, $"'{p.Name}' is not in quarantine.")
            : new ProcedureChange { ProcedureId = p.Id, Quarantined = false, Note = Note(RevisionKind.Released, $"it was stopped because {p.QuarantineReason}", by), At = Time.GetUtcNow() },
        cancellationToken);

    /// <summary>Gives a candidate up: it retires, and the active version goes on alone.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="by">The person, as your records name them: at most 200 characters. It is kept with the time.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ProcedureConflictException">It has no candidate.</exception>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    public Task<Procedure> RejectCandidateAsync(string name, string by, CancellationToken cancellationToken = default) => ChangeAsync(
        name,
        p => p.CandidateVersion is not { } candidate
            ? throw new ProcedureConflictException(p.Name, $"'{p.Name}' has no candidate.")
            : new ProcedureChange { ProcedureId = p.Id, ExpectedCandidate = candidate, States = new Dictionary<int, VersionState> { [candidate] = VersionState.Retired }, Note = Note(RevisionKind.Rejected, "a person gave it up", by), At = Time.GetUtcNow() },
        cancellationToken);

    /// <summary>Goes back to the version from which the active one was made. <see cref="ActivateVersionAsync"/> goes to any.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="by">The person, as your records name them: at most 200 characters; <see langword="null"/> where nobody is to be named.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ProcedureConflictException">There is no version before the active one, or another one was activated in the meantime.</exception>
    public Task<Procedure> RollBackAsync(string name, string? by = null, CancellationToken cancellationToken = default) => ChangeAsync(
        name,
        p => p is not { ActiveVersion: { } active, Version.Parent: { } parent }
            ? throw new ProcedureConflictException(p.Name, $"'{p.Name}' has no version before {(p.ActiveVersion is { } number ? Invariant($"version {number}") : "a first one")}. Activate the one that you want by its number.")
            : new ProcedureChange { ProcedureId = p.Id, ExpectedActive = active, Activate = parent, Note = Note(RevisionKind.RolledBack, Invariant($"from version {active} back to version {parent}"), by), At = Time.GetUtcNow() },
        cancellationToken);

    /// <summary>What differs between two versions of a procedure.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="before">The number of the one.</param>
    /// <param name="after">The number of the other one.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public async Task<VersionDiff> CompareVersionsAsync(string name, int before, int after, CancellationToken cancellationToken = default)
    {
        // Of one procedure: each number by itself may be found in another scope.
        var procedure = await GetAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        var versions = await Store.ListVersionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false);
        return VersionDiff.Of(Of(before), Of(after));

        ProcedureVersion Of(int number) => versions.FirstOrDefault(v => v.Number == number) ?? throw new ProcedureNotFoundException(procedure.Name, [], number);
    }

    /// <summary>What was learned and when: the versions of a procedure with what each changed and how it did, and what was decided in between.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    public async Task<ProcedureHistory> GetHistoryAsync(string name, CancellationToken cancellationToken = default)
    {
        var procedure = await GetAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        var versions = await Store.ListVersionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false);
        var revisions = await Store.ListRevisionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false);
        return new ProcedureHistory(procedure, versions, revisions, await Store.ListMergedAsync(procedure.Id, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>
    /// Lets the evidence decide between the versions of a procedure: a candidate that does as well as the active version takes its place, one that falls behind is given up, a version that broke
    /// after it took another one's place gives it back, and a procedure that fails more often than not is stopped. It is done by itself after replays that tell something, and by the maintenance pass.
    /// </summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>What was decided; <see langword="null"/> for nothing.</returns>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    public async Task<VersionDecision?> ReviewVersionsAsync(string name, CancellationToken cancellationToken = default) =>
        await ReviewVersionsAsync(await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false), executor: null, isCandidateRefused: false, cancellationToken).ConfigureAwait(false);

    /// <param name="procedure">The procedure.</param>
    /// <param name="executor">What made the calls; <see langword="null"/> where nothing did.</param>
    /// <param name="isCandidateRefused">Whether the candidate could not be replayed in its turn: where it never was, nothing is to wait for it.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    private async Task<VersionDecision?> ReviewVersionsAsync(Procedure procedure, IStepExecutor? executor, bool isCandidateRefused, CancellationToken cancellationToken)
    {
        if (procedure is not { ActiveVersion: { } active, IsRetired: false, IsPinned: false, QuarantinedAt: null })
        {
            return null;
        }

        var versions = (await Store.ListVersionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false)).ToDictionary(v => v.Number);
        if (!versions.TryGetValue(active, out var standingVersion))
        {
            // It was erased in the meantime.
            return null;
        }

        var revisions = await Store.ListRevisionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false);
        var candidate = procedure.CandidateVersion is { } number ? versions.GetValueOrDefault(number) : null;
        candidate = candidate is not null && !(isCandidateRefused && candidate.Statistics.Executions == 0) && await MayCompeteAsync(procedure.Id, candidate, executor, cancellationToken).ConfigureAwait(false) ? candidate : null;
        var before = ReplacedByEvidence(procedure, revisions) is { } replaced ? versions.GetValueOrDefault(replaced) : null;
        var standing = new VersionStanding(
            await EvidenceAsync(procedure.Id, standingVersion, revisions, cancellationToken).ConfigureAwait(false),
            candidate is null ? null : await EvidenceAsync(procedure.Id, candidate, revisions, cancellationToken).ConfigureAwait(false),
            before is null ? null : await EvidenceAsync(procedure.Id, before, revisions, cancellationToken).ConfigureAwait(false));
        if (VersionRules.Decide(standing, Options.MinimumTrials) is not { } decision)
        {
            return null;
        }

        if (decision.Kind is RevisionKind.Quarantined && procedure.CandidateVersion is null && await MendAsync(procedure, executor, cancellationToken).ConfigureAwait(false))
        {
            // What was done in its place is tried before it is stopped.
            return null;
        }

        var note = new RevisionNote
        {
            Kind = decision.Kind,
            Reason = decision.Reason,
            Evidence = Json.Build(writer => WriteEvidence(writer, active, [.. new[] { standing.Active, standing.Candidate, standing.Before }.OfType<VersionEvidence>()])),
        };
        var change = new ProcedureChange { ProcedureId = procedure.Id, ExpectedActive = active, ExpectedCandidate = candidate?.Number, ByEvidence = true, Note = note, At = Time.GetUtcNow() };
        change = decision.Kind switch
        {
            RevisionKind.Quarantined => change with { Quarantined = true },
            RevisionKind.Rejected => change with { States = new Dictionary<int, VersionState> { [decision.Version] = VersionState.Retired } },
            _ => change with { Activate = decision.Version },
        };
        if (!await Store.ChangeProcedureAsync(change, cancellationToken).ConfigureAwait(false))
        {
            // Somebody else has decided in the meantime.
            return null;
        }

        Log.VersionsDecided(_logger, procedure.Name, decision.Kind, decision.Version);
        return decision;
    }

    /// <summary>Makes a candidate of what was done in place of the steps that fail; <see langword="false"/> where there is none that takes turns.</summary>
    private async Task<bool> MendAsync(Procedure procedure, IStepExecutor? executor, CancellationToken cancellationToken)
    {
        try
        {
            return procedure.Version.StepStatistics.Values.Any(s => s.Repairs > 0)
                && (await OptimizeAsync(procedure.Name, cancellationToken: cancellationToken).ConfigureAwait(false)).Procedure is { Version: { State: VersionState.Candidate } candidate } optimized
                && await MayCompeteAsync(optimized.Id, candidate, executor, cancellationToken).ConfigureAwait(false);
        }
        catch (ProcedureConflictException)
        {
            // Somebody else made a version in the meantime: it is looked at with that one.
            return false;
        }
    }

    /// <summary>The version that a replay runs where none is asked for: the active one, or the candidate in its turn.</summary>
    private async Task<Procedure> ChooseVersionAsync(Procedure procedure, ReplayRequest request, IStepExecutor executor, CancellationToken cancellationToken)
    {
        // What names steps was said of the active version: the candidate's may be others.
        if (request is not { Version: null, Skip.Count: 0, StepOverrides.Count: 0, Policies.Count: 0 }
            || procedure is not { CandidateVersion: { } candidate, CanBeReplayed: true, IsPinned: false }
            || procedure.Version.Number != procedure.ActiveVersion)
        {
            return procedure;
        }

        var shown = await Store.GetProcedureAsync([procedure.Scope], procedure.Name, candidate, cancellationToken).ConfigureAwait(false);
        if (shown?.Version is not { State: VersionState.Candidate } version || !await MayCompeteAsync(shown.Id, version, executor, cancellationToken).ConfigureAwait(false))
        {
            return procedure;
        }

        // Nothing is lost by trying another one where the active version has broken.
        if (await IsBrokenAsync(procedure, cancellationToken).ConfigureAwait(false))
        {
            return shown;
        }

        // By counts and not by chance, so that the same history gives the same choice. A turn is one that began: one that was cancelled is not to be had again at once.
        var replays = procedure.Version.Statistics.Executions + await Store.CountExecutionsAsync(procedure.Id, candidate, cancellationToken).ConfigureAwait(false);
        return Math.Floor((replays + 1) * Options.CandidateShare) > Math.Floor(replays * Options.CandidateShare) ? shown : procedure;
    }

    private async Task<bool> IsBrokenAsync(Procedure procedure, CancellationToken cancellationToken) => procedure.Version.Statistics.Failures >= VersionRules.ToQuarantine
        && VersionRules.IsBroken(await EvidenceAsync(procedure.Id, procedure.Version, await Store.ListRevisionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false));

    /// <summary>What is known of a version. What came before it was released or became active is no evidence against it: that was known to who decided, or to what did.</summary>
    private async Task<VersionEvidence> EvidenceAsync(Guid procedureId, ProcedureVersion version, IReadOnlyList<Revision> revisions, CancellationToken cancellationToken)
    {
        var since = revisions.LastOrDefault(r => r.Version == version.Number && r.Note.Kind is RevisionKind.Released or RevisionKind.Activated or RevisionKind.Promoted or RevisionKind.RolledBack or RevisionKind.Withdrawn)?.At;
        return new VersionEvidence(version.Number, version.Statistics, await Store.ListVerdictsAsync(procedureId, version.Number, since ?? DateTimeOffset.MinValue, VersionRules.Recent, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>
    /// Whether a candidate takes turns, and is promoted by its evidence: it only reads, or the host allows it to write and a person has approved it. A replay of it asks nobody, so that it does not stand in the
    /// way of the version that is approved. What makes the calls knows best what they do; in the maintenance pass nothing does.
    /// </summary>
    private async Task<bool> MayCompeteAsync(Guid procedureId, ProcedureVersion candidate, IStepExecutor? executor, CancellationToken cancellationToken)
    {
        var onlyReads = candidate.Steps.All(OnlyReads) && (executor is null || Functions(candidate).All(s => !StepEffects.Writes(StepEffects.Of(s, candidate, Options, executor))));
        if (Options.CandidateShare <= 0 || (!onlyReads && !Options.AllowCandidatesWithWrites))
        {
            return false;
        }

        var needsApproval = (!onlyReads && Options.Approval is not ApprovalPolicy.Never)
            || (executor is not null && Functions(candidate).Any(s => ReviewedVersion.PolicyOf(s, candidate, Options, executor) is ApprovalPolicy.FirstUse));
        if (!needsApproval)
        {
            return true;
        }

        var standing = await Store.ListVersionApprovalsAsync(CurrentScope().Read, [procedureId], standingOnly: true, cancellationToken).ConfigureAwait(false);
        return VersionApprovals.Standing(standing.Where(a => a.Version == candidate.Number)) is { State: ApprovalState.Approved };

        static IEnumerable<ProcedureStep> Functions(ProcedureVersion version) => version.Steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is StepKind.Function);
    }

    private bool OnlyReads(ProcedureStep step) => step.Kind switch
    {
        StepKind.Function => (StepEffects.Declared(step.Action, Options) ?? step.Effect) is StepEffect.Read,
        StepKind.Loop => step.Steps.All(OnlyReads),
        _ => step.Effect is StepEffect.Read,
    };

    /// <summary>The version whose place the active one took by its evidence, where that was the last that was decided about which one is active.</summary>
    private static int? ReplacedByEvidence(Procedure procedure, IReadOnlyList<Revision> revisions)
    {
        var last = revisions.LastOrDefault(r => r.Note.Kind is RevisionKind.Promoted or RevisionKind.Activated or RevisionKind.RolledBack or RevisionKind.Withdrawn);
        return last?.Note.Kind is not RevisionKind.Promoted || last.Version != procedure.ActiveVersion ? null
            : last.Note.Evidence.TryGetProperty(ReplacedVersion, out var replaced) ? replaced.GetInt32() : procedure.Version.Parent;
    }

    private Task<Procedure> SetPinnedAsync(string name, bool pinned, RevisionNote note, CancellationToken cancellationToken) =>
        ChangeAsync(name, p => p.IsPinned == pinned ? null : new ProcedureChange { ProcedureId = p.Id, Pinned = pinned, Note = note, At = Time.GetUtcNow() }, cancellationToken);

    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="change">The change; <see langword="null"/> where it stands so already.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    private async Task<Procedure> ChangeAsync(string name, Func<Procedure, ProcedureChange?> change, CancellationToken cancellationToken)
    {
        var procedure = await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        if (change(procedure) is not { } changed)
        {
            return procedure;
        }

        if (!await Store.ChangeProcedureAsync(changed, cancellationToken).ConfigureAwait(false))
        {
            throw new ProcedureConflictException(procedure.Name, $"Another version of '{procedure.Name}' was activated in the meantime. Look at it, and repeat the change if it is still wanted.");
        }

        // It is done: a cancellation from here on would say that it is not.
        return await GetWritableAsync(name, version: null, CancellationToken.None).ConfigureAwait(false);
    }

    private static RevisionNote Note(RevisionKind kind, string reason, string? by) => new() { Kind = kind, Reason = reason, By = by is null ? null : ApprovalDecision.Approved(by).By };

    private string Redacted(string text) => new Capture.ValueCapture(Options).Text(ProcedureText.Shortened(text.Trim(), 300));

    private static void WriteEvidence(System.Text.Json.Utf8JsonWriter writer, int active, IReadOnlyList<VersionEvidence> versions)
    {
        writer.WriteStartObject();
        writer.WriteNumber(ReplacedVersion, active);
        foreach (var version in versions)
        {
            writer.WriteStartObject(Invariant($"{version.Number}"));
            writer.WriteNumber("executions", version.Statistics.Executions);
            writer.WriteNumber("successes", version.Statistics.Successes);
            writer.WriteNumber("failures", version.Statistics.Failures);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }
}
