using System.Globalization;
using System.Text.Json;
using ProceduralMemory;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace AgentDemo;

/// <summary>A learned procedure for people: its inputs, its steps, and where each argument comes from.</summary>
internal static class ProcedureView
{
    public static IRenderable Of(Procedure procedure)
    {
        var statistics = procedure.Statistics;
        var summary = string.Create(
            CultureInfo.InvariantCulture,
            $"version {procedure.Version.Number} ({procedure.Version.State.ToString().ToLowerInvariant()}, {procedure.Version.Reason.ToString().ToLowerInvariant()}), {statistics.Successes} of {statistics.Successes + statistics.Failures} executions succeeded");
        var tree = new Tree(Markup.FromInterpolated(CultureInfo.InvariantCulture, $"[bold]{procedure.Name}[/], {summary}"));
        if (procedure.Description.Length > 0)
        {
            tree.AddNode(Markup.FromInterpolated(CultureInfo.InvariantCulture, $"[grey]{procedure.Description}[/]"));
        }

        var inputs = tree.AddNode("inputs");
        foreach (var input in procedure.Version.Inputs)
        {
            inputs.AddNode(Markup.FromInterpolated(CultureInfo.InvariantCulture, $"[green]{input.Name}[/] ({input.Type.ToString().ToLowerInvariant()})"));
        }

        var steps = tree.AddNode("steps");
        foreach (var step in procedure.Version.Steps)
        {
            var node = steps.AddNode(Markup.FromInterpolated(CultureInfo.InvariantCulture, $"[blue]{step.Id}[/] calls {step.Action}"));
            foreach (var argument in step.Arguments.EnumerateObject())
            {
                node.AddNode(Markup.FromInterpolated(CultureInfo.InvariantCulture, $"{argument.Name} = {Source(argument.Value)}"));
            }
        }

        return tree;
    }

    private static string Source(JsonElement template)
    {
        if (template.ValueKind is JsonValueKind.String)
        {
            switch (ValueExpression.Parse(template.GetString()!))
            {
                case InputReference input:
                    return $"the input {input.Name}";
                case StepReference step:
                    return $"what {step.StepId} returned{(step.Pointer.Length > 0 ? $" at {step.Pointer}" : "")}";
                case LiteralText literal:
                    return $"\"{literal.Text}\", always";
            }
        }

        return template.GetRawText();
    }
}
