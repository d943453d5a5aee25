using System.Text.Json;
using ProceduralMemory.Distill;

namespace ProceduralMemory.Revise;

/// <summary>
/// Makes steps of what somebody did in place of a failed one. Each repaired execution is looked at as a trace: what its steps gave before, the calls of the repair, and what the steps after it were called with. Such traces
/// are distilled as recordings are, so a value of the repair gets its source from the inputs and the results before it, and who needed the failed step's result finds it in those of the repair.
/// </summary>
internal sealed class RepairDistiller
{
    private readonly ProcedureVersion _version;
    private readonly ProcedureStep _failed;
    private readonly int _place;
    private readonly ProceduralMemoryOptions _options;

    /// <summary>What stands for what: of a call that the procedure made its step, of one of the repair none.</summary>
    private readonly Dictionary<TraceStep, string?> _stepOf = new(ReferenceEqualityComparer.Instance);

    private RepairDistiller(ProcedureVersion version, int place, ProceduralMemoryOptions options) => (_version, _place, _failed, _options) = (version, place, version.Steps[place], options);

    /// <summary>Makes steps of repairs; pure.</summary>
    /// <param name="version">The version that ran.</param>
    /// <param name="stepId">Its step that failed.</param>
    /// <param name="repairs">Executions of it that completed by a repair of that step, latest first, and the calls of the repair.</param>
    /// <param name="options">The options.</param>
    /// <returns>The steps, or why there are none.</returns>
    public static (StepRepair? Repair, string? WhyNot) Of(ProcedureVersion version, string stepId, IReadOnlyList<(Execution Execution, Trace Calls)> repairs, ProceduralMemoryOptions options)
    {
        var place = version.Steps.ToList().FindIndex(s => s.Id == stepId);
        var ways = repairs
            .Select(r => (r.Execution, Calls: TraceCleaner.CallsOf(r.Calls, options).Where(c => c.Kind is not StepKind.Manual).ToList()))
            .Where(r => r.Calls.Count > 0)
            .GroupBy(r => string.Join('\n', r.Calls.Select(c => CallKind.Of(c))), StringComparer.Ordinal)
            .OrderByDescending(g => g.Count())
            .ToList();
        if (ways is [])
        {
            return (null, "the calls by which it was done otherwise were not recorded, or are not kept any more");
        }

        // Nobody's way is taken where each did something else.
        return ways[0].Count() * 2 <= ways.Sum(w => w.Count())
            ? (null, "it was done in different ways")
            : new RepairDistiller(version, place, options).Distill([.. ways[0]]);
    }

    private (StepRepair? Repair, string? WhyNot) Distill(IReadOnlyList<(Execution Execution, List<TraceStep> Calls)> repairs)
    {
        var dependents = _version.Steps.Skip(_place + 1).Where(NeedsFailed).ToList();
        var samePlaces = repairs.All(r => GivesTheSame(r.Execution, r.Calls[^1]));
        if (!samePlaces && dependents.Exists(d => d.Steps.Count > 0 || NeedsFailed(d with { Arguments = Json.EmptyObject })))
        {
            return (null, "its result decides what other steps do, and what was done instead gives another one");
        }

        List<Trace> traces = [.. repairs.Select(r => TraceOf(r.Execution, r.Calls))];
        var aligned = AlignedOf(traces);
        if (aligned is null || aligned.Steps.Any(s => s.Calls.Select(c => _stepOf[c]).Distinct().Count() > 1))
        {
            return (null, "what was done instead cannot be told from the other steps");
        }

        var arguments = new ArgumentDistiller(aligned, _options, new ParameterSchemas(action => _options.ParametersOf(action) ?? FunctionSignature.ParametersOf(_version.Signatures, action)));
        var (templates, _, sources) = arguments.Distill();
        var (made, idOf) = StepsOf(aligned, templates);
        if (made.Count == 0 || aligned.Steps.Any(s => _stepOf[s.Calls[0]] is null && s.Traces < traces.Count))
        {
            return (null, "it was done in different ways");
        }

        made = [.. made.Select(s => s.WithRenamedSteps(id => idOf.GetValueOrDefault(id, id)))];
        var edited = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var dependent in samePlaces ? [] : dependents)
        {
            var at = aligned.Steps.ToList().FindIndex(s => _stepOf[s.Calls[0]] == dependent.Id && s.Traces == traces.Count);
            if (at < 0)
            {
                return (null, $"{dependent.Id} needs its result, and was not seen with what was done instead");
            }

            edited.Add(dependent.Id, ValueExpression.RenameSteps(templates[at], id => idOf.GetValueOrDefault(id, id)));
        }

        var inputs = InputsOf(arguments.Inputs.Inputs, [.. made.Select(s => s.Arguments), .. edited.Values]);
        return inputs is null
            ? (null, "what was done instead takes a value that neither the inputs nor the steps before give")
            : (new StepRepair(made, edited, inputs, [.. sources.Where(s => made.Exists(m => m.Id == idOf.GetValueOrDefault(s.StepId))).Select(s => s with { StepId = idOf[s.StepId], Source = Renamed(s.Source, idOf) })], [.. repairs.Select(r => r.Execution.Steps.First(s => s.StepId == _failed.Id).RepairTraceId!.Value)]), null);
    }

    /// <summary>One repaired execution as the trace of a task.</summary>
    private Trace TraceOf(Execution execution, IReadOnlyList<TraceStep> calls)
    {
        var steps = new List<TraceStep>();
        foreach (var row in execution.Steps.Where(s => s.Status is StepStatus.Success && _version.Steps.Any(v => v.Id == s.StepId)).OrderBy(s => s.Ordinal))
        {
            if (row.StepId == _failed.Id)
            {
                foreach (var call in calls)
                {
                    Add(call with { CallGroup = null, CallIndex = 0 }, null);
                }
            }
            else
            {
                var step = _version.Steps.First(s => s.Id == row.StepId);
                Add(new TraceStep { Kind = step.Kind is StepKind.Loop ? StepKind.Manual : step.Kind, Action = row.Action, Arguments = row.Arguments ?? Json.EmptyObject, Result = row.Result, Omitted = row.Omitted, Effect = row.Effect }, row.StepId);
            }
        }

        return new Trace { Id = execution.Id, Scope = execution.Scope, Name = execution.ProcedureName, Request = execution.Request, Inputs = execution.Inputs, Status = TraceStatus.Completed, StartedAt = execution.StartedAt, Steps = steps };

        void Add(TraceStep step, string? id)
        {
            var placed = step with { Ordinal = steps.Count };
            steps.Add(placed);
            _stepOf.Add(placed, id);
        }
    }

    /// <summary>The traces with each call as a step of its own; <see langword="null"/> where there is no such reading.</summary>
    private TraceAlignment? AlignedOf(IReadOnlyList<Trace> traces)
    {
        var alignment = TraceAlignment.Of(traces, _options);
        var noLoops = new HashSet<string>(StringComparer.Ordinal);
        while (true)
        {
            var aligned = alignment(noLoops);
            var loops = aligned.Steps.Select(s => s.Shape?.Key).OfType<string>().ToList();
            if (loops.Count == 0)
            {
                return aligned;
            }

            if (loops.TrueForAll(k => !noLoops.Add(k)))
            {
                return null;
            }
        }
    }

    /// <summary>The steps of the repair, the last of them under the id of the failed one, and the ids of the procedure by those of the traces.</summary>
    private (List<ProcedureStep> Steps, Dictionary<string, string> IdOf) StepsOf(TraceAlignment aligned, IReadOnlyList<JsonElement> templates)
    {
        var taken = _version.Steps.SelectMany(s => s.WithInner()).Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        var (steps, idOf) = (new List<ProcedureStep>(), new Dictionary<string, string>(StringComparer.Ordinal));
        var last = aligned.Steps.ToList().FindLastIndex(s => _stepOf[s.Calls[0]] is null);
        for (var i = 0; i < aligned.Steps.Count; i++)
        {
            var step = aligned.Steps[i];
            if (_stepOf[step.Calls[0]] is { } known)
            {
                idOf[step.Id] = known;
                continue;
            }

            idOf[step.Id] = i == last ? _failed.Id : ProcedureValidator.MakeStepId(step.Action, taken);
            var effect = StepEffects.Of(step.Calls, _options);
            steps.Add(new ProcedureStep
            {
                Id = idOf[step.Id],
                Kind = step.Kind,
                Action = step.Action,
                Arguments = templates[i],
                Condition = _failed.Condition,
                OnFailure = _failed.OnFailure,
                Effect = effect,
                Expectation = Expectations.Of(step.Calls, effect),
            });
        }

        return (steps, idOf);
    }

    /// <summary>The inputs that the new arguments need and the version does not have; <see langword="null"/> where a caller of today could not give one.</summary>
    private List<ProcedureInput>? InputsOf(IReadOnlyList<ProcedureInput> declared, IEnumerable<JsonElement> arguments)
    {
        var needed = arguments.SelectMany(a => ValueExpression.References(a)).OfType<InputReference>().Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
        var missing = declared.Where(i => needed.Contains(i.Name) && !_version.Inputs.Any(v => v.Name == i.Name)).ToList();
        return missing.TrueForAll(i => !i.Required || i.Default is not null) ? missing : null;
    }

    /// <summary>Whether the last call of a repair gave, wherever other steps look, what the failed step's result was told to be.</summary>
    private bool GivesTheSame(Execution execution, TraceStep call)
    {
        var told = execution.Steps.First(s => s.StepId == _failed.Id).Result;
        return _version.Steps.Skip(_place + 1).SelectMany(s => s.References()).OfType<StepReference>().Where(r => r.StepId == _failed.Id)
            .All(r => told is { } one && call.Result is { } other && JsonPointer.TryResolve(one, r.Pointer, out var a) && JsonPointer.TryResolve(other, r.Pointer, out var b) && Json.AreEqual(a, b));
    }

    private bool NeedsFailed(ProcedureStep step) => step.References().OfType<StepReference>().Any(r => r.StepId == _failed.Id);

    private static string Renamed(string source, IReadOnlyDictionary<string, string> idOf) =>
        ValueExpression.RenameSteps(Json.String(source), id => idOf.GetValueOrDefault(id, id)).GetString()!;
}

/// <summary>Steps that take the place of one that fails, as agents did them.</summary>
/// <param name="Steps">The steps; the last of them has the id of the one that it replaces.</param>
/// <param name="Arguments">By the id of a step that needed the replaced one's result in its arguments, the arguments that take it from the new ones.</param>
/// <param name="Inputs">Inputs that the version does not have yet; none of them must be given.</param>
/// <param name="Sources">Why the new arguments have the sources that they have.</param>
/// <param name="Traces">The traces of the repairs.</param>
internal sealed record StepRepair(
    IReadOnlyList<ProcedureStep> Steps, IReadOnlyDictionary<string, JsonElement> Arguments, IReadOnlyList<ProcedureInput> Inputs, IReadOnlyList<ArgumentSource> Sources, IReadOnlyList<Guid> Traces);
