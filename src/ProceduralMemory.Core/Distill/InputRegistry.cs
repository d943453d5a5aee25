using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>The inputs of a procedure as they are found, in the order in which its steps first use them. Names are unique: that of the caller where it named the value, else that of the argument.</summary>
internal sealed class InputRegistry
{
    private const int MaxExamples = 3;

    private readonly OrderedDictionary<string, ProcedureInput> _inputs = new(StringComparer.Ordinal);
    private readonly HashSet<string> _reserved;

    /// <param name="reserved">The names that the caller gave: no other value gets one of them.</param>
    public InputRegistry(IEnumerable<string> reserved) => _reserved = new HashSet<string>(reserved, StringComparer.Ordinal);

    public IReadOnlyList<ProcedureInput> Inputs => [.. _inputs.Values];

    public bool IsUsed(string name) => _inputs.ContainsKey(name);

    /// <summary>Takes up an input that the caller named.</summary>
    public void UseNamed(string name, IReadOnlyList<JsonElement> values, string description)
    {
        if (!_inputs.ContainsKey(name))
        {
            _inputs.Add(name, Describe(name, values, description));
        }
    }

    /// <summary>Declares an input for values that have no name yet.</summary>
    public InputReference Declare(string argument, IReadOnlyList<JsonElement> values, string description, bool unconfirmed = false)
    {
        var name = FreeName(argument);
        var input = Describe(name, values, description);
        _inputs.Add(name, unconfirmed ? input with { Unconfirmed = true, Default = values[0] } : input);
        return new InputReference(name);
    }

    /// <summary>The name that <see cref="Declare"/> would give.</summary>
    public string FreeName(string argument)
    {
        var stem = string.Concat(argument.Select(c => char.IsLetterOrDigit(c) || c is '_' or '-' ? c : '_'));
        stem = ValueExpression.IsName(stem) ? stem : "input_" + stem.TrimStart('-');
        var name = stem;
        for (var n = 2; _inputs.ContainsKey(name) || _reserved.Contains(name); n++)
        {
            name = string.Create(CultureInfo.InvariantCulture, $"{stem}_{n}");
        }

        return name;
    }

    private static ProcedureInput Describe(string name, IReadOnlyList<JsonElement> values, string description)
    {
        var withheld = values.Any(Withheld.Is);
        var present = values.Where(v => v.ValueKind is not JsonValueKind.Null).ToList();
        var examples = new List<JsonElement>();
        foreach (var value in withheld ? [] : present)
        {
            if (examples.Count < MaxExamples && !examples.Exists(e => JsonElement.DeepEquals(e, value)))
            {
                examples.Add(value);
            }
        }

        // What some recording did without can be left out.
        var optional = !withheld && present.Count is > 0 && present.Count < values.Count;
        return new ProcedureInput
        {
            Name = name,
            Type = withheld || optional ? JsonType.Any : values.Select(v => TypeOf(name, v)).Distinct().Aggregate(Common),
            Description = description,
            Examples = examples,
            Required = !optional,
            Default = optional ? Json.Null : null,
            Secret = values.Any(Withheld.IsSecret),
        };
    }

    // That every amount seen so far was round does not make the next one so; what counts or names things is whole.
    private static JsonType TypeOf(string name, JsonElement value) => Json.TypeOf(value) is JsonType.Integer && !FieldName.NamesIdentity(name) ? JsonType.Number : Json.TypeOf(value);

    private static JsonType Common(JsonType first, JsonType second) => (first, second) switch
    {
        _ when first == second => first,
        (JsonType.Integer, JsonType.Number) or (JsonType.Number, JsonType.Integer) => JsonType.Number,
        _ => JsonType.Any,
    };
}

/// <summary>Values that a recording did not keep.</summary>
internal static class Withheld
{
    /// <summary>Whether it was not kept: it was too large, or secret. It cannot be compared, and whoever replays must give it.</summary>
    public static bool Is(JsonElement value) => IsSecret(value) || (value.ValueKind is JsonValueKind.String && value.ValueEquals(TraceStep.OmittedMarker));

    /// <summary>Whether it was, or held, a secret.</summary>
    public static bool IsSecret(JsonElement value) => value.ValueKind is JsonValueKind.String && value.GetString()!.Contains(Capture.SecretRedactor.Marker, StringComparison.Ordinal);
}
