using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>The inputs of a procedure as they are found, in the order in which its steps first use them. Names are unique: that of the caller where it named the value, else that of the argument.</summary>
internal sealed class InputRegistry
{
    private const int MaxExamples = 3;

    private readonly OrderedDictionary<string, ProcedureInput> _inputs = new(StringComparer.Ordinal);
    private readonly HashSet<string> _reserved;
    private readonly ParameterSchemas _schemas;
    private readonly ProceduralMemoryOptions _options;

    /// <param name="reserved">The names that the caller gave: no other value gets one of them.</param>
    /// <param name="schemas">What is declared of the arguments that inputs are for.</param>
    /// <param name="options">The options, which know what is secret.</param>
    public InputRegistry(IEnumerable<string> reserved, ParameterSchemas schemas, ProceduralMemoryOptions options) =>
        (_reserved, _schemas, _options) = (new HashSet<string>(reserved, StringComparer.Ordinal), schemas, options);

    public IReadOnlyList<ProcedureInput> Inputs => [.. _inputs.Values];

    public bool IsUsed(string name) => _inputs.ContainsKey(name);

    /// <summary>Takes up an input that the caller named.</summary>
    public void UseNamed(string name, IReadOnlyList<JsonElement> values, Position position)
    {
        if (!_inputs.ContainsKey(name))
        {
            _inputs.Add(name, Describe(name, values, position));
        }
    }

    /// <summary>Declares an input for values that have no name yet.</summary>
    public InputReference Declare(Position position, bool unconfirmed = false)
    {
        var name = FreeName(position.Label);
        var input = Describe(name, position.Values, position);
        _inputs.Add(name, unconfirmed ? input with { Unconfirmed = true, Default = position.Values[0] } : input);
        return new InputReference(name);
    }

    /// <summary>Declares a flag that says whether a step is needed.</summary>
    public InputReference DeclareFlag(string step, string description, bool usual)
    {
        var name = FreeName(step);
        _inputs.Add(name, new ProcedureInput { Name = name, Type = JsonType.Boolean, Description = description, Required = false, Default = JsonElement.Parse(usual ? "true" : "false") });
        return new InputReference(name);
    }

    /// <summary>The name that <see cref="Declare"/> would give.</summary>
    public string FreeName(string argument) => ExpressionName.Make(argument, "input", name => !_inputs.ContainsKey(name) && !_reserved.Contains(name));

    private ProcedureInput Describe(string name, IReadOnlyList<JsonElement> values, Position position)
    {
        var withheld = values.Any(Withheld.IsIn);
        var examples = new List<JsonElement>();
        foreach (var value in values.Where(v => !withheld && !(position.IsSometimesAbsent && v.ValueKind is JsonValueKind.Null)))
        {
            if (examples.Count < MaxExamples && !examples.Exists(e => Json.AreEqual(e, value)))
            {
                examples.Add(value);
            }
        }

        var input = new ProcedureInput
        {
            Name = name,
            Type = values.Any(Withheld.Is) || values.Count == 0 || position.IsSometimesAbsent ? JsonType.Any : values.Select(v => TypeOf(name, v)).Distinct().Aggregate(Common),
            Description = position.Description,
            Examples = examples,
            Required = !position.IsSometimesAbsent,
            Secret = values.Any(Withheld.IsSecretIn),
        };
        return _schemas.Of(position) is { } schema && values.All(v => Withheld.Is(v) || (position.IsSometimesAbsent && v.ValueKind is JsonValueKind.Null) || schema.Allows(v))
            ? Declared(input, schema, position)
            : input;
    }

    /// <summary>An input with what is declared of the argument that it is for. A secret has no values that could be told.</summary>
    private ProcedureInput Declared(ProcedureInput input, ParameterSchema schema, Position position)
    {
        var capture = new ValueCapture(_options);
        var isOpen = !input.Secret && !_options.Redactor.IsSecret(position.Call.Action, position.Name) && !_options.Redactor.IsSecret("", input.Name);
        return input with
        {
            Type = schema.Type is JsonType.Any ? input.Type : schema.Type,
            Description = schema.Description is { } meaning ? capture.Text($"{meaning.TrimEnd('.')} ({input.Description})") : input.Description,
            Format = schema.Format is { } format ? capture.Text(format) : null,
            AllowedValues = isOpen ? [.. schema.AllowedValues.Select(v => capture.Result(position.Call.Action, v, out _)).OfType<JsonElement>()] : [],
            // An argument that is sometimes left out is left to the function's own default.
            Default = isOpen && !position.IsSometimesAbsent && schema.Default is { } standing && schema.Allows(standing) ? capture.Result(position.Call.Action, standing, out _) : null,
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

    /// <summary>Whether it was not kept, and can be compared all the same: in its recording each secret has a fingerprint.</summary>
    public static bool IsComparable(JsonElement value) => RedactionMarker.HasFingerprint(value);

    /// <summary>Whether two values that were not kept are known to have been different.</summary>
    public static bool AreDifferent(JsonElement first, JsonElement second) => IsComparable(first) && IsComparable(second) && !Json.AreEqual(first, second);

    /// <summary>Whether all there is in it was not kept.</summary>
    public static bool IsWhole(JsonElement value) => Is(value) || (value.ValueKind is JsonValueKind.Object or JsonValueKind.Array && Parts(value).Any() && Parts(value).All(IsWhole));

    /// <summary>Whether it, or a part of it, was not kept.</summary>
    public static bool IsIn(JsonElement value) => Is(value) || Parts(value).Any(IsIn);

    /// <summary>Whether it, or a part of it, was or held a secret.</summary>
    public static bool IsSecretIn(JsonElement value) => IsSecret(value) || Parts(value).Any(IsSecretIn);

    private static IEnumerable<JsonElement> Parts(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Select(m => m.Value),
        JsonValueKind.Array => value.EnumerateArray(),
        _ => [],
    };

    /// <summary>Whether it was, or held, a secret.</summary>
    public static bool IsSecret(JsonElement value) => RedactionMarker.IsIn(value) || (value.ValueKind is JsonValueKind.Object && value.EnumerateObject().Any(RedactionMarker.IsIn));
}
