using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>Where a step was observed: in which trace, and in a loop in which round, from 0.</summary>
internal readonly record struct Row(int Trace, int Round = Row.NoRound)
{
    public const int NoRound = -1;
}

/// <summary>What an <see cref="AlignedStep"/> is.</summary>
internal enum AlignedRole
{
    /// <summary>A call.</summary>
    Call,

    /// <summary>The elements that a loop goes through: what it begins with.</summary>
    Item,

    /// <summary>A loop as a whole: what it ends with. Its result is known to the steps after it.</summary>
    Loop,
}

/// <summary>One step of a procedure, and what stands for it in each trace: one call, none, or one for each round of a loop.</summary>
/// <param name="Id">The step's id.</param>
/// <param name="Rows">Where it was observed, by trace and round. A step that is not in every trace is optional.</param>
/// <param name="Calls">The call of each row. Elements of a loop, and what a loop gave, are the results of calls that nobody made.</param>
internal sealed record AlignedStep(string Id, IReadOnlyList<Row> Rows, IReadOnlyList<TraceStep> Calls)
{
    public const int NoLoop = -1;

    private readonly Dictionary<Row, TraceStep> _byRow = Rows.Zip(Calls).ToDictionary(p => p.First, p => p.Second);

    public AlignedRole Role { get; init; }

    /// <summary>Which loop it is, or is in.</summary>
    public int Loop { get; init; } = NoLoop;

    /// <summary>For a loop, how it goes.</summary>
    public LoopShape? Shape { get; init; }

    /// <summary>For a loop over a list in a result, which step's.</summary>
    public int Source { get; init; } = -1;

    public StepKind Kind => Calls[0].Kind;

    public string Action => Calls[0].Action;

    /// <summary>In how many traces it was observed.</summary>
    public int Traces { get; } = Rows.Select(r => r.Trace).Distinct().Count();

    /// <summary>What a row of another step sees of this one; <see langword="null"/> where there is nothing, or it is inside of a loop that the other is not in.</summary>
    public TraceStep? SeenFrom(Row row, int loop) => Role is AlignedRole.Loop || Loop == NoLoop
        ? _byRow.GetValueOrDefault(new Row(row.Trace))
        : Loop == loop ? _byRow.GetValueOrDefault(row) : null;

    /// <summary>Its first call in a trace.</summary>
    public TraceStep? FirstIn(int trace) => Rows.Zip(Calls).Where(p => p.First.Trace == trace).Select(p => p.Second).FirstOrDefault();
}

/// <summary>Which calls of each trace stand for which step. The traces stand in an order that their content gives, so that when they were recorded makes no difference.</summary>
/// <param name="Traces">The traces.</param>
/// <param name="Steps">The steps in their order; those of a loop stand between its elements and the loop itself.</param>
internal sealed record TraceAlignment(IReadOnlyList<Trace> Traces, IReadOnlyList<AlignedStep> Steps)
{
    /// <summary>Aligns traces.</summary>
    /// <param name="traces">The traces, in any order.</param>
    /// <param name="options">The options.</param>
    /// <returns>The alignment, for keys of loops that are none.</returns>
    public static Func<IReadOnlySet<string>, TraceAlignment> Of(IReadOnlyList<Trace> traces, ProceduralMemoryOptions options)
    {
        var sorted = traces.Select(t => (Trace: t, Calls: TraceCleaner.CallsOf(t, options))).Where(t => t.Calls.Count > 0).ToList();
        sorted.Sort((a, b) => TraceOrder.Compare(a.Trace, a.Calls, b.Trace, b.Calls));
        List<Trace> ordered = [.. sorted.Select(t => t.Trace)];
        List<IReadOnlyList<TraceStep>> calls = [.. sorted.Select(t => t.Calls)];
        var loops = new LoopFinder(ordered, calls);
        return noLoops => new TraceAlignment(ordered, new Builder(ordered, TraceAligner.Align(ordered, calls, options, loops, noLoops)).Build());
    }

    private sealed class Builder(IReadOnlyList<Trace> traces, List<Column> columns)
    {
        private readonly HashSet<string> _ids = new(StringComparer.Ordinal);
        private readonly List<AlignedStep> _steps = [];
        private readonly Dictionary<Column, int> _stepOf = [];
        private int _loops;

        public List<AlignedStep> Build()
        {
            foreach (var column in columns)
            {
                if (column.First.Run is { } run)
                {
                    AddLoop(column, run.Shape);
                }
                else
                {
                    var rows = Enumerable.Range(0, traces.Count).Where(t => column.Units[t] is not null).ToList();
                    _stepOf.Add(column, _steps.Count);
                    _steps.Add(new AlignedStep(ProcedureValidator.MakeStepId(column.First.Call!.Action, _ids), [.. rows.Select(t => new Row(t))], [.. rows.Select(t => column.Units[t]!.Call!)]));
                }
            }

            return _steps;
        }

        private void AddLoop(Column column, LoopShape shape)
        {
            var loop = _loops++;
            var source = columns.FindIndex(c => c.Units.Zip(column.Units).Any(u => u.First?.Call is { } call && ReferenceEquals(call, u.Second?.Run?.Source)));
            var rounds = column.Units
                .SelectMany((u, t) => (u?.Run?.Iterations ?? []).Select((calls, r) => (Row: new Row(t, r), Calls: calls, Item: u!.Run!.List[r])))
                .ToList();
            var id = ProcedureValidator.MakeStepId($"each_{JsonPointer.Tokens(shape.Pointer).LastOrDefault() ?? (shape.IsInput ? shape.Source : _steps[_stepOf[columns[source]]].Id)}", _ids);
            List<Row> rows = [.. rounds.Select(r => r.Row)];
            _steps.Add(new AlignedStep("$item", rows, [.. rounds.Select(r => Made("$item", r.Item))]) { Role = AlignedRole.Item, Loop = loop });
            var body = new List<AlignedStep>();
            for (var i = 0; i < shape.Body.Count; i++)
            {
                body.Add(new AlignedStep(ProcedureValidator.MakeStepId(shape.Body[i].Action, _ids), rows, [.. rounds.Select(r => r.Calls[i])]) { Loop = loop });
            }

            _steps.AddRange(body);
            List<Row> through = [.. Enumerable.Range(0, traces.Count).Where(t => column.Units[t] is not null || HasNone(t)).Select(t => new Row(t))];
            _stepOf.Add(column, _steps.Count);
            _steps.Add(new AlignedStep(id, through, [.. through.Select(t => Made(id, Results(t.Trace)))])
            {
                Role = AlignedRole.Loop,
                Loop = loop,
                Shape = shape,
                Source = source < 0 ? -1 : _stepOf[columns[source]],
            });

            // Without a round, a trace went through the loop if its list was empty.
            bool HasNone(int trace) => shape.IsInput
                ? traces[trace].Inputs.TryGetProperty(shape.Source, out _)
                : source >= 0 && columns[source].Units[trace] is not null;

            JsonElement Results(int trace) => Json.Build(writer =>
            {
                writer.WriteStartArray();
                foreach (var round in rounds.Where(r => r.Row.Trace == trace))
                {
                    writer.WriteStartObject();
                    for (var i = 0; i < body.Count; i++)
                    {
                        writer.WritePropertyName(body[i].Id);
                        (round.Calls[i].Result ?? Json.Null).WriteTo(writer);
                    }

                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
        }

        private static TraceStep Made(string name, JsonElement result) => new() { Kind = StepKind.Loop, Action = name, Result = result };
    }
}
