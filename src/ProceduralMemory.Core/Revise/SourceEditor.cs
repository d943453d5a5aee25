using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Revise;

/// <summary>Sets the source of one value in the arguments of a step, as a person corrects it.</summary>
internal static class SourceEditor
{
    /// <summary>Refuses an argument that the step does not have and that nothing says its action takes: a slip of the name would break every replay.</summary>
    /// <param name="version">The version to correct.</param>
    /// <param name="stepId">The step; what is wrong with it is for <see cref="Set"/> to say.</param>
    /// <param name="argument">The argument's name, or a JSON Pointer into the arguments.</param>
    /// <param name="parametersOf">What actions declare of their parameters, as JSON Schema.</param>
    /// <exception cref="ProcedureFormatException">There is no such argument.</exception>
    public static void RequireKnown(ProcedureVersion version, string stepId, string argument, Func<string, JsonElement?> parametersOf)
    {
        var all = version.Steps.SelectMany(s => s.WithInner()).ToList();
        var pointer = argument.StartsWith('/') ? argument : JsonPointer.Append("", argument);
        if (all.Find(s => s.Id == stepId) is not { } step || !JsonPointer.IsValid(pointer) || JsonPointer.TryResolve(step.Arguments, pointer, out _))
        {
            return;
        }

        string[] path = [.. JsonPointer.Tokens(pointer)];
        var schema = step.Kind is StepKind.Function ? parametersOf(step.Action) : null;
        var sameAction = all.Where(s => s.Kind == step.Kind && s.Action == step.Action);
        if ((path is [var name] && sameAction.Any(s => s.Arguments.TryGetProperty(name, out _))) || Declares(schema, path))
        {
            return;
        }

        var names = step.Arguments.EnumerateObject().Select(a => a.Name).Union(PropertiesOf(schema)?.EnumerateObject().Select(p => p.Name) ?? []).ToList();
        if (names.Contains(path[0]))
        {
            throw Missing(argument);
        }

        var near = NearNames.Of(path[0], names);
        var there = names.Count == 0 ? "None is known of it." : $"Its arguments are: {string.Join(", ", near.Union(names))}.";
        throw new ProcedureFormatException(
            "argument", $"Step '{stepId}' has no argument '{argument}'. {there} Only what its function is known to take can be added: declare it with {nameof(ProceduralMemoryOptions.ParametersOf)}, or store a new version.");
    }

    /// <summary>Applies a correction; pure.</summary>
    /// <param name="version">The version to correct.</param>
    /// <param name="stepId">The step.</param>
    /// <param name="argument">The argument's name, or a JSON Pointer into the arguments.</param>
    /// <param name="source">The template: an expression, or a constant.</param>
    /// <returns>The inputs, steps and sources of the corrected version.</returns>
    /// <exception cref="ProcedureFormatException">There is no such step or place, or the template is no expression.</exception>
    public static (IReadOnlyList<ProcedureInput> Inputs, IReadOnlyList<ProcedureStep> Steps, IReadOnlyList<ArgumentSource> Sources) Set(
        ProcedureVersion version, string stepId, string argument, JsonElement source)
    {
        var all = version.Steps.SelectMany(s => s.WithInner()).ToList();
        if (all.Find(s => s.Id == stepId) is not { } step)
        {
            throw new ProcedureFormatException("step", $"There is no step '{stepId}'. The steps are: {string.Join(", ", all.Select(s => s.Id))}.");
        }

        var pointer = argument.StartsWith('/') ? argument : JsonPointer.Append("", argument);
        if (!JsonPointer.IsValid(pointer))
        {
            throw new ProcedureFormatException("argument", $"'{argument}' is neither the name of an argument nor a JSON Pointer into the arguments, such as /address/city.");
        }

        var before = JsonPointer.TryResolve(step.Arguments, pointer, out var found) ? found : (JsonElement?)null;
        var edited = step with { Arguments = Replace(step.Arguments, [.. JsonPointer.Tokens(pointer)], source, argument) };
        var steps = version.Steps.Select(s => Put(s, edited)).ToList();
        var declared = version.Inputs.ToList();
        foreach (var reference in ValueExpression.References(source).OfType<InputReference>())
        {
            Declare(declared, reference, Recorded(version, before), $"{step.Action}, argument {argument}");
        }

        var used = steps.SelectMany(s => s.References()).OfType<InputReference>().Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
        var entry = new ArgumentSource
        {
            StepId = stepId,
            Argument = pointer,
            Source = source.ValueKind is JsonValueKind.String ? source.GetString()! : source.GetRawText(),
            Kind = KindOf(source, declared),
            Evidence = ["set by a person"],
            Alternatives = [.. version.Sources.Where(s => s.StepId == stepId && s.Argument == pointer).SelectMany(s => s.Alternatives.Prepend(new AlternativeSource(s.Source, s.Kind, s.Evidence)))],
            IsEdited = true,
        };
        return (
            [.. declared.Where(i => used.Contains(i.Name))],
            steps,
            [.. version.Sources.Where(s => s.StepId != stepId || !Covers(pointer, s.Argument)), entry]);
    }

    /// <summary>The sources of a version that tells of none, because a person wrote it.</summary>
    public static IReadOnlyList<ArgumentSource> SourcesOf(ProcedureVersion version) =>
    [
        .. version.Steps.SelectMany(s => s.WithInner()).SelectMany(step => step.Arguments.EnumerateObject().Select(argument => new ArgumentSource
        {
            StepId = step.Id,
            Argument = JsonPointer.Append("", argument.Name),
            Source = argument.Value.ValueKind is JsonValueKind.String ? argument.Value.GetString()! : argument.Value.GetRawText(),
            Kind = KindOf(argument.Value, version.Inputs),
            IsEdited = true,
        })),
    ];

    /// <summary>What kind of source a template is.</summary>
    public static SourceKind KindOf(JsonElement template, IReadOnlyList<ProcedureInput> inputs)
    {
        var references = ValueExpression.References(template).ToList();
        return references switch
        {
            [] => SourceKind.Constant,
            [InputReference input] => inputs.Any(i => i.Name == input.Name && i.Unconfirmed) ? SourceKind.UnconfirmedConstant : SourceKind.Input,
            _ when references.TrueForAll(r => r is InputReference) => references.Count == 1 ? SourceKind.Input : SourceKind.Composed,
            [_] => SourceKind.Binding,
            _ => template.ValueKind is JsonValueKind.String && ValueExpression.Parse(template.GetString()!) is ElementReference or OnlyElementReference ? SourceKind.Binding : SourceKind.Composed,
        };
    }

    private static ProcedureStep Put(ProcedureStep step, ProcedureStep edited) => step.Id == edited.Id
        ? edited
        : step.Steps.Count == 0 ? step : step with { Steps = [.. step.Steps.Select(s => Put(s, edited))] };

    /// <summary>The value that the place was recorded with, where the template tells it.</summary>
    private static JsonElement? Recorded(ProcedureVersion version, JsonElement? template) => template switch
    {
        { ValueKind: JsonValueKind.String } text => ValueExpression.Parse(text.GetString()!) switch
        {
            LiteralText literal => Json.String(literal.Text),
            InputReference { Pointer: "" } input => version.Inputs.FirstOrDefault(i => i.Name == input.Name) is { } known ? known.Default ?? known.Examples.Cast<JsonElement?>().FirstOrDefault() : null,
            _ => null,
        },
        { } value => ValueExpression.References(value).Any() ? null : value,
        null => null,
    };

    /// <summary>An input that the correction names is a true one from now on, and is declared where it was not.</summary>
    private static void Declare(List<ProcedureInput> inputs, InputReference reference, JsonElement? recorded, string description)
    {
        var at = inputs.FindIndex(i => i.Name == reference.Name);
        if (at < 0)
        {
            inputs.Add(new ProcedureInput
            {
                Name = reference.Name,
                Type = reference.Pointer.Length == 0 && recorded is { } value ? Json.TypeOf(value) : JsonType.Any,
                Description = description,
                Examples = reference.Pointer.Length == 0 && recorded is { } example ? [example] : [],
            });
        }
        else if (inputs[at].Unconfirmed)
        {
            inputs[at] = inputs[at] with { Unconfirmed = false, Default = null, Examples = inputs[at].Default is { } example ? [example] : [] };
        }
    }

    private static JsonElement Replace(JsonElement template, ReadOnlySpan<string> path, JsonElement source, string argument)
    {
        if (path.IsEmpty)
        {
            return source;
        }

        var token = path[0];
        if (template.ValueKind is JsonValueKind.Object)
        {
            // An argument that was never given may be added; inside a value only what is there can be set.
            var members = new OrderedDictionary<string, JsonElement>(StringComparer.Ordinal);
            foreach (var member in template.EnumerateObject())
            {
                members[member.Name] = member.Value;
            }

            if (!members.TryGetValue(token, out var inner) && path.Length > 1)
            {
                throw Missing(argument);
            }

            members[token] = path.Length == 1 ? source : Replace(inner, path[1..], source, argument);
            return Json.Build(writer =>
            {
                writer.WriteStartObject();
                foreach (var (name, value) in members)
                {
                    writer.WritePropertyName(name);
                    value.WriteTo(writer);
                }

                writer.WriteEndObject();
            });
        }

        if (template.ValueKind is JsonValueKind.Array && int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < template.GetArrayLength())
        {
            List<JsonElement> items = [.. template.EnumerateArray()];
            items[index] = Replace(items[index], path[1..], source, argument);
            return Json.Build(writer =>
            {
                writer.WriteStartArray();
                items.ForEach(i => i.WriteTo(writer));
                writer.WriteEndArray();
            });
        }

        throw Missing(argument);
    }

    private static bool Declares(JsonElement? schema, ReadOnlySpan<string> path) =>
        path.IsEmpty || (PropertiesOf(schema) is { } members && members.TryGetProperty(path[0], out var member) && Declares(member, path[1..]));

    private static JsonElement? PropertiesOf(JsonElement? schema) =>
        schema is { ValueKind: JsonValueKind.Object } known && known.TryGetProperty("properties", out var members) && members.ValueKind is JsonValueKind.Object ? members : null;

    private static bool Covers(string pointer, string other) => other == pointer || other.StartsWith(pointer + "/", StringComparison.Ordinal);

    private static ProcedureFormatException Missing(string argument) =>
        new("argument", $"The step's arguments have no place '{argument}'. Name an argument, or point to a value that is there.");
}
