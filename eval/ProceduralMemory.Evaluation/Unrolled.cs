using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Evaluation;

/// <summary>
/// Procedures without loops: as many copies of a loop's steps as a trace has rounds of its calls, with each element of the list by its place. So that a position of a loop
/// is its unrolled ones.
/// </summary>
internal static class Unrolled
{
    private const string Round = "_round_";

    public static ProcedureVersion Of(ProcedureVersion procedure, IReadOnlyList<RecordedStep> trace)
    {
        if (!procedure.Steps.Any(s => s.Kind is StepKind.Loop))
        {
            return procedure;
        }

        var steps = new List<ProcedureStep>();
        var loops = procedure.Steps.Where(s => s.Kind is StepKind.Loop).Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        var next = 0;
        foreach (var step in procedure.Steps)
        {
            if (step.Kind is not StepKind.Loop)
            {
                var at = Enumerable.Range(next, trace.Count - next).FirstOrDefault(i => trace[i].Function == step.Action, -1);
                next = at < 0 ? next : at + 1;
                steps.Add(step with { Arguments = Values.Rewrite(step.Arguments, text => AfterLoops(ValueExpression.Parse(text), loops).ToString()!) });
                continue;
            }

            var start = Enumerable.Range(next, trace.Count - next).FirstOrDefault(i => IsRound(step, i), -1);
            for (var round = 0; start >= 0 && IsRound(step, start); round++, start += step.Steps.Count, next = start)
            {
                var ids = step.Steps.ToDictionary(s => s.Id, s => string.Create(CultureInfo.InvariantCulture, $"{s.Id}{Round}{round}"), StringComparer.Ordinal);
                steps.AddRange(step.Steps.Select(s => s with { Id = ids[s.Id], Arguments = Values.Rewrite(s.Arguments, text => InRound(ValueExpression.Parse(text), ValueExpression.Parse(step.ForEach!), round, ids).ToString()!) }));
            }
        }

        return procedure with { Steps = steps };

        bool IsRound(ProcedureStep loop, int at) => at + loop.Steps.Count <= trace.Count && loop.Steps.Select((s, i) => s.Action == trace[at + i].Function).All(same => same);
    }

    /// <summary>What a loop gave is a list with the results of its steps by their ids: the result of one step in one round.</summary>
    private static ValueExpression AfterLoops(ValueExpression expression, HashSet<string> loops)
    {
        switch (expression)
        {
            case StepReference step when loops.Contains(step.StepId) && Values.Tokens(step.Pointer).ToList() is [var round, var id, .. var rest]:
                return new StepReference($"{id}{Round}{round}", string.Concat(rest.Select(t => Values.Append("", t))));
            case ElementReference element when loops.Contains(element.StepId) && Values.Tokens(element.ListPointer).ToList() is [var round, var id, .. var rest]:
                return element with { StepId = $"{id}{Round}{round}", ListPointer = string.Concat(rest.Select(t => Values.Append("", t))), Match = AfterLoops(element.Match, loops) };
            case ConvertedValue converted:
                return converted with { Source = AfterLoops(converted.Source, loops) };
            case InterpolatedText text:
                return new InterpolatedText([.. text.Parts.Select(p => AfterLoops(p, loops))]);
            default:
                return expression;
        }
    }

    private static ValueExpression InRound(ValueExpression expression, ValueExpression list, int round, Dictionary<string, string> ids) => expression switch
    {
        ItemReference item => list switch
        {
            InputReference input => input with { Pointer = Values.Append(input.Pointer, round) + item.Pointer },
            StepReference step => step with { Pointer = Values.Append(step.Pointer, round) + item.Pointer },
            _ => item,
        },
        StepReference step => ids.TryGetValue(step.StepId, out var id) ? step with { StepId = id } : step,
        ElementReference element => element with { StepId = ids.GetValueOrDefault(element.StepId, element.StepId), Match = InRound(element.Match, list, round, ids) },
        OnlyElementReference only => only with { StepId = ids.GetValueOrDefault(only.StepId, only.StepId) },
        ConvertedValue converted => converted with { Source = InRound(converted.Source, list, round, ids) },
        InterpolatedText text => new InterpolatedText([.. text.Parts.Select(p => InRound(p, list, round, ids))]),
        _ => expression,
    };
}
