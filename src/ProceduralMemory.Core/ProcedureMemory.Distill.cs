using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Persist;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    private const int MaxDistillAttempts = 100;

    /// <summary>Makes a procedure of a finalized trace that belongs to none, because it met a procedure of its name that does something else, or more.</summary>
    /// <param name="traceId">The trace; see <see cref="RecordingResult.Conflict"/>.</param>
    /// <param name="name">The name of the procedure; <see langword="null"/> for that of the trace.</param>
    /// <param name="replace">Whether a procedure of that name which does something else gets this as its new version. Its earlier versions are kept, and teach no more.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="RecordingStateException">There is no such trace in the scope that is written, or it is not finalized.</exception>
    /// <exception cref="ProcedureFormatException">The name is not valid.</exception>
    public async Task<RecordingResult> DistillTraceAsync(Guid traceId, string? name = null, bool replace = false, CancellationToken cancellationToken = default)
    {
        var trace = await Store.GetTraceAsync([CurrentScope().Write], traceId, cancellationToken).ConfigureAwait(false);
        if (trace is not { Status: TraceStatus.Completed })
        {
            throw new RecordingStateException($"Trace {traceId:D} cannot be made a procedure: {(trace is null ? "there is none of that id in the scope" : trace.Status is TraceStatus.Recording ? "it is still being recorded" : "it was given up")}. List those that can with ListTracesAsync(TraceStatus.Completed).");
        }

        trace = trace with { Name = (name ?? trace.Name).Trim() };
        ProcedureValidator.Check(new RecordingDetails { Name = trace.Name }, Options);
        return await DistillAsync(trace, usage: null, replace, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Says for each argument of a version where its value comes from, what speaks for it, and what else it could be.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="version">The version; <see langword="null"/> for the active one, else the newest.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>An entry for each source; of a version that a person wrote, without evidence.</returns>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public async Task<IReadOnlyList<ArgumentSource>> ExplainAsync(string name, int? version = null, CancellationToken cancellationToken = default)
    {
        var shown = (await GetAsync(name, version, cancellationToken).ConfigureAwait(false)).Version;
        return shown.Sources.Count > 0 ? shown.Sources : SourceEditor.SourcesOf(shown);
    }

    /// <summary>Shows a procedure as text for people, at most 30 lines: inputs, steps, the source and effect of each argument, state and counts.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="version">The version; <see langword="null"/> for the active one, else the newest.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public async Task<string> ShowAsync(string name, int? version = null, CancellationToken cancellationToken = default) =>
        ProcedureText.Of(await GetAsync(name, version, cancellationToken).ConfigureAwait(false));

    /// <summary>
    /// Corrects where an argument comes from, as a new active version; of a procedure that nobody has accepted yet (<see cref="ListForReviewAsync"/>) as a new draft. What a person set outranks all evidence: a recording that contradicts it is reported
    /// (<see cref="RecordingResult.Contradictions"/>), not obeyed.
    /// </summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="stepId">The step.</param>
    /// <param name="argument">The argument's name, or a JSON Pointer into the step's arguments, such as <c>/address/city</c>. The step must have it, another step of the same action, or what the function declares (<see cref="ProceduralMemoryOptions.ParametersOf"/>).</param>
    /// <param name="source">A template: a JSON string that is an expression (<see cref="ValueExpression"/>), or a constant. An input that it names and that is not declared is declared.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ProcedureConflictException">It has no active version, or that changed meanwhile.</exception>
    /// <exception cref="ProcedureFormatException">There is no such step or argument, or the source is no valid expression there.</exception>
    public async Task<Procedure> SetSourceAsync(string name, string stepId, string argument, JsonElement source, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(stepId);
        ArgumentException.ThrowIfNullOrWhiteSpace(argument);
        var procedure = await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        var isDraft = procedure.ActiveVersion is null;
        if (procedure.IsRetired || (isDraft && procedure.Version is not { State: VersionState.Draft, Reason: VersionReason.Recorded or VersionReason.Edited }))
        {
            throw new ProcedureConflictException(procedure.Name, $"'{procedure.Name}' {(procedure.IsRetired ? "is retired" : "has no active version to correct, and no draft that was recorded here")}. Activate one first.");
        }

        SourceEditor.RequireKnown(procedure.Version, stepId, argument, action => Options.ParametersOf(action) ?? FunctionSignature.ParametersOf(procedure.Version.Signatures, action));
        var (inputs, steps, sources) = SourceEditor.Set(StandingVersion.WithoutClaims(procedure.Version), stepId, argument, source);
        var definition = ProcedureValidator.Check(
            new ProcedureDefinition { Name = procedure.Name, Description = procedure.Description, Notes = procedure.Notes, Inputs = inputs, Steps = steps, Undo = procedure.Version.Undo, Signatures = procedure.Version.Signatures }, Options);
        var traces = await Store.ListVersionTracesAsync(procedure.Id, procedure.Version.Number, Options.MaxTracesPerProcedure, cancellationToken).ConfigureAwait(false);
        return await Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = procedure.Scope,
                Definition = SecretConstants.Remove(definition, Options),
                Reason = VersionReason.Edited,
                Origin = ProcedureOrigin.User,
                State = isDraft ? VersionState.Draft : VersionState.Active,
                ExpectedActive = procedure.ActiveVersion,
                Request = procedure.Version.Request,
                Traces = [.. traces.Select(t => t.Id)],
                Sources = sources,
                At = Time.GetUtcNow(),
            },
            cancellationToken).ConfigureAwait(false);
    }

    internal async Task<RecordingResult> CompleteRecordingAsync(ProcedureRecorder recorder, string? notes, IReadOnlyList<string>? tags, TraceUsage usage, CancellationToken cancellationToken)
    {
        var trace = await Store.GetTraceAsync([recorder.Scope], recorder.TraceId, cancellationToken).ConfigureAwait(false)
            ?? throw new RecordingStateException($"The trace of the recording '{recorder.Name}' is gone from the database.");
        trace = trace with { Notes = notes ?? trace.Notes, Tags = [.. trace.Tags.Union(tags ?? [], StringComparer.OrdinalIgnoreCase)] };
        return await DistillAsync(trace, usage, replace: false, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Distils a trace together with the earlier ones of its procedure.</summary>
    /// <param name="trace">The trace.</param>
    /// <param name="usage">What the recorded task cost, where its recording is to end with this; <see langword="null"/> where it has ended.</param>
    /// <param name="replace">Whether it takes the place of a procedure that does something else.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <param name="turn">Where it is a turn, of which nothing is stored yet: what it shows.</param>
    private async Task<RecordingResult> DistillAsync(Trace trace, TraceUsage? usage, bool replace, CancellationToken cancellationToken, LearnedTurn? turn = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            // What an earlier recording or a person made stands, unless nobody replays it any more.
            var current = await Store.GetProcedureAsync([trace.Scope], trace.Name, version: null, cancellationToken).ConfigureAwait(false);
            if (turn is not null && current?.Id != turn.Known?.Id)
            {
                throw new ProcedureConflictException(trace.Name, $"'{trace.Name}' was stored, renamed or put out of use in the meantime. Look anew for what the turn shows.");
            }

            // What turns taught and nobody has reviewed yet goes on being sharpened by turns.
            var standing = current is { IsRetired: false } && (current.ActiveVersion is not null || turn is not null) ? current : null;

            // Where turns have proposed a candidate, further ones sharpen it instead of proposing each its own.
            IReadOnlySet<int> rejected = turn is null || standing is null ? new HashSet<int>() : await RejectedVersionsAsync(standing, cancellationToken).ConfigureAwait(false);
            var candidate = turn is not null && standing?.CandidateVersion is { } number && !rejected.Contains(number)
                ? await Store.GetProcedureAsync([trace.Scope], trace.Name, number, cancellationToken).ConfigureAwait(false) is { Version: { Reason: VersionReason.Recorded, State: VersionState.Candidate } } proposed ? proposed : null
                : null;
            IReadOnlyList<Trace> earlier = standing is null ? [] : await Store.ListVersionTracesAsync(standing.Id, (candidate ?? standing).Version.Number, Options.MaxTracesPerProcedure, cancellationToken).ConfigureAwait(false);
            earlier = [.. earlier.Where(t => t.Id != trace.Id && !RecordedSignatures.AreOutdated(t, trace)).Take(Options.MaxTracesPerProcedure - 1)];
            if (ProcedureDistiller.TeachesNothing(trace, Options))
            {
                await EndTraceAsync(trace, TraceStatus.Abandoned, turn is null ? usage : null, cancellationToken).ConfigureAwait(false);
                Log.RecordingEmpty(_logger, trace.Name, trace.Id);
                return new RecordingResult(trace.Id, null, trace.Steps.Count);
            }

            // What a person has fixed or stopped, a recording does not set free, nor does one that takes its place. What the evidence stopped is mended by how it is done today.
            var isHeld = standing is not null && (standing.IsPinned || await IsStoppedByPersonAsync(standing, cancellationToken).ConfigureAwait(false));
            var isMended = standing is { QuarantinedAt: not null } && !isHeld;
            if (standing is not null && SkillComparison.Conflict(standing, earlier, trace, Options) is { } conflict)
            {
                if (!replace && !(isMended && conflict.FailedCall is not null))
                {
                    if (turn is not null)
                    {
                        return new RecordingResult(trace.Id, null, 0) { Conflict = conflict, Message = $"It resembles '{conflict.ProcedureName}', and does something else. {conflict.Difference} Nothing is learned." };
                    }

                    await EndTraceAsync(trace, TraceStatus.Completed, usage, cancellationToken).ConfigureAwait(false);
                    return new RecordingResult(trace.Id, null, 0) { Conflict = conflict };
                }

                (standing, earlier) = (null, []);
            }

            var distilled = ProcedureDistiller.Distill([.. earlier, trace], trace, Options)!;
            if (await WhyUnwantedAsync(trace.Scope, distilled.Definition.Steps, standing, cancellationToken).ConfigureAwait(false) is { } unwanted)
            {
                await EndTraceAsync(trace, TraceStatus.Abandoned, turn is null ? usage : null, cancellationToken).ConfigureAwait(false);
                return new RecordingResult(trace.Id, null, 0) { Unwanted = unwanted };
            }

            IReadOnlyList<string> contradictions = [];
            if (standing is not null)
            {
                (distilled, contradictions) = StandingVersion.Keep(distilled, standing.Version, Options);
            }

            var definition = ProcedureValidator.Check(distilled.Definition with { Undo = standing?.Version.Undo }, Options);
            var writes = SkillFinder.Writes(definition.Steps, Options);
            if (turn is not null && standing is not null)
            {
                var confirmed = candidate is null ? null : await ConfirmAsync(trace, usage!, candidate, earlier.Count, definition, writes, cancellationToken).ConfigureAwait(false);
                confirmed ??= rejected.Contains(standing.Version.Number) ? null : await ConfirmAsync(trace, usage!, standing, earlier.Count, definition, writes, cancellationToken).ConfigureAwait(false);
                if (confirmed is not null)
                {
                    return confirmed;
                }

                if (await WhyRejectedAsync(standing, rejected, definition, cancellationToken).ConfigureAwait(false) is { } whyRejected)
                {
                    return new RecordingResult(trace.Id, null, 0) { Unwanted = whyRejected };
                }
            }

            var state = isHeld ? VersionState.Candidate
                : turn is null || !writes || turn.Mode is LearningMode.Automatic ? VersionState.Active
                : standing?.ActiveVersion is null ? VersionState.Draft : VersionState.Candidate;

            try
            {
                var procedure = await Store.SaveVersionAsync(
                    new NewVersion
                    {
                        Scope = trace.Scope,
                        Definition = definition,
                        Reason = VersionReason.Recorded,
                        Origin = ProcedureOrigin.Agent,
                        State = state,
                        Note = isHeld ? new RevisionNote { Kind = RevisionKind.Proposed, Reason = "it was recorded, and a person has fixed or stopped the active version" }
                            : state is VersionState.Candidate ? new RevisionNote { Kind = RevisionKind.Proposed, Reason = "it was learned from a turn, and may write" }
                            : isMended ? new RevisionNote { Kind = RevisionKind.Released, Reason = "its task was done and recorded anew" } : null,
                        MustBeNew = current is null,
                        ExpectedActive = current is { IsRetired: false } ? current.ActiveVersion : null,
                        Request = trace.Request,
                        TraceId = trace.Id,
                        NewTrace = turn is null ? null : trace,
                        Traces = [.. earlier.Select(t => t.Id), trace.Id],
                        Sources = distilled.Sources,
                        Usage = usage,
                        Statistics = distilled.Statistics,
                        StepStatistics = distilled.StepStatistics,
                        At = Time.GetUtcNow(),
                    },
                    cancellationToken).ConfigureAwait(false);
                Log.RecordingFinalized(_logger, procedure.Name, procedure.Version.Number, procedure.Version.Steps.Count, trace.Id);
                return new RecordingResult(trace.Id, procedure, distilled.DroppedSteps)
                {
                    Contradictions = contradictions,
                    FailedCalls = [.. TraceCleaner.FailuresOf(trace, Options).Select(f => f.Action)],
                    NowOptional = standing is null ? [] : SkillComparison.NowOptional(standing.Version, procedure.Version),
                };
            }
            catch (ProcedureConflictException) when (turn is null && attempt < MaxDistillAttempts)
            {
                // Another recording of the same name was finalized meanwhile: it is distilled as well.
            }
        }
    }

    /// <summary>Takes a turn down that shows a version anew and changes nothing of it, or nothing that a person would have to look at again.</summary>
    /// <returns>What came of it; <see langword="null"/> where there is something to store.</returns>
    private async Task<RecordingResult?> ConfirmAsync(Trace trace, TraceUsage usage, Procedure standing, int earlier, ProcedureDefinition distilled, bool writes, CancellationToken cancellationToken)
    {
        if (!IsSame(standing.Version, distilled, withExpectations: false))
        {
            return null;
        }

        var isFull = earlier >= Options.MaxTracesPerProcedure - 1;
        if (!isFull && !writes && !IsSame(standing.Version, distilled, withExpectations: true))
        {
            return null;
        }

        if (!isFull)
        {
            await Store.ConfirmVersionAsync(standing.Id, standing.Version.Number, trace, usage, Time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
        }

        return new RecordingResult(trace.Id, standing, 0) { Message = FormattableString.Invariant($"It shows '{standing.Name}' version {standing.Version.Number} anew, and nothing else.") };
    }

    private static bool IsSame(ProcedureVersion standing, ProcedureDefinition distilled, bool withExpectations)
    {
        return JsonElement.DeepEquals(Shape(standing.Inputs, standing.Steps), Shape(distilled.Inputs, distilled.Steps));

        JsonElement Shape(IReadOnlyList<ProcedureInput> inputs, IReadOnlyList<ProcedureStep> steps) => JsonSerializer.SerializeToElement(
            new VersionDocument { Inputs = [.. inputs.Select(i => i with { Examples = [] })], Steps = withExpectations ? steps : [.. steps.Select(WithoutExpectation)] }, Json.Stored);

        static ProcedureStep WithoutExpectation(ProcedureStep step) => step with { Expectation = null, Steps = [.. step.Steps.Select(WithoutExpectation)] };
    }

    /// <summary>The versions that a person has rejected, or given up as candidates.</summary>
    private async Task<IReadOnlySet<int>> RejectedVersionsAsync(Procedure procedure, CancellationToken cancellationToken) =>
        (await Store.ListVersionApprovalsAsync([procedure.Scope], [procedure.Id], standingOnly: true, cancellationToken).ConfigureAwait(false)).GroupBy(a => a.Version)
            .Where(g => VersionApprovals.Standing(g) is { State: ApprovalState.Rejected }).Select(g => g.Key)
            .Concat((await Store.ListRevisionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false)).Where(r => r is { Note: { Kind: RevisionKind.Rejected, By: not null }, Version: not null }).Select(r => r.Version!.Value))
            .ToHashSet();

    /// <summary>Why a turn is not to propose what it shows; <see langword="null"/> where it may: a person has rejected a version that does just that.</summary>
    private async Task<string?> WhyRejectedAsync(Procedure standing, IReadOnlySet<int> rejected, ProcedureDefinition distilled, CancellationToken cancellationToken)
    {
        var versions = rejected.Count == 0 ? [] : await Store.ListVersionsAsync(standing.Id, cancellationToken).ConfigureAwait(false);
        return versions.FirstOrDefault(v => v.Number != standing.ActiveVersion && rejected.Contains(v.Number) && IsSame(v, distilled, withExpectations: false)) is { } same
            ? FormattableString.Invariant($"A person rejected '{standing.Name}' version {same.Number}, which does the same.")
            : null;
    }

    private async Task<bool> IsStoppedByPersonAsync(Procedure procedure, CancellationToken cancellationToken) => procedure.QuarantinedAt is not null
        && (await Store.ListRevisionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false)).LastOrDefault(r => r.Note.Kind is RevisionKind.Quarantined)?.Note.By is not null;

    private Task EndTraceAsync(Trace trace, TraceStatus status, TraceUsage? usage, CancellationToken cancellationToken) =>
        usage is null ? Task.CompletedTask : Store.EndTraceAsync(trace.Id, status, Time.GetUtcNow(), usage, cancellationToken);
}
