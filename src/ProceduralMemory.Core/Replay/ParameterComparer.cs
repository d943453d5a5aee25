using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Replay;

/// <summary>Compares what was declared of one parameter, and of the parts of its value, with what is declared today.</summary>
internal sealed class ParameterComparer
{
    private static readonly string[] Rules =
    [
        "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
        "anyOf", "oneOf", "allOf", "not", "additionalProperties", "prefixItems", "$ref", "$defs", "definitions",
    ];

    private readonly List<SignatureChange> _changes = [];
    private readonly GivenArgument? _given;

    private ParameterComparer(GivenArgument? given) => _given = given;

    /// <summary>Compares one parameter that is there today as well.</summary>
    /// <param name="name">Its name today.</param>
    /// <param name="before">Its schema as it was recorded.</param>
    /// <param name="now">Its schema today.</param>
    /// <param name="given">What the step gives for it, if it does.</param>
    public static IReadOnlyList<SignatureChange> Compare(string name, JsonElement before, JsonElement now, GivenArgument? given)
    {
        var comparer = new ParameterComparer(given);
        comparer.Look($"'{name}'", before, now, given?.Template);
        return [.. comparer._changes.Distinct()];
    }

    /// <summary>Whether a member of an object must be given: one with a default need not.</summary>
    /// <param name="schema">The schema of the object.</param>
    /// <param name="name">The member.</param>
    /// <param name="member">The schema of the member.</param>
    public static bool IsNeeded(JsonElement schema, string name, JsonElement member) =>
        schema.TryGetProperty("required", out var required) && required.ValueKind is JsonValueKind.Array
        && required.EnumerateArray().Any(n => n.ValueKind is JsonValueKind.String && n.ValueEquals(name))
        && !(member.ValueKind is JsonValueKind.Object && member.TryGetProperty("default", out _));

    /// <param name="place">The parameter, or a part of it, for messages.</param>
    /// <param name="before">The schema as it was recorded.</param>
    /// <param name="now">The schema today.</param>
    /// <param name="template">What the step gives there; <see langword="null"/> where that is not known before the step runs, or nothing is given.</param>
    private void Look(string place, JsonElement before, JsonElement now, JsonElement? template)
    {
        if (before.ValueKind is not JsonValueKind.Object || now.ValueKind is not JsonValueKind.Object)
        {
            // One of them says nothing of the value.
            if (now.ValueKind is JsonValueKind.Object && !SchemaTypes.Of(before).Without(SchemaTypes.Of(now)).IsEmpty)
            {
                LookAtTypes(place, before, now, template);
            }

            return;
        }

        LookAtTypes(place, before, now, template);
        LookAtChoices(place, before, now, template);
        LookAtNotes(place, before, now);
        LookAtMembers(place, before, now, template);
        if (before.TryGetProperty("items", out var itemsBefore) && now.TryGetProperty("items", out var itemsNow))
        {
            LookAtItems($"an element of {place}", itemsBefore, itemsNow, template);
        }
    }

    private void LookAtTypes(string place, JsonElement before, JsonElement now, JsonElement? template)
    {
        var (was, isNow) = (SchemaTypes.Of(before), SchemaTypes.Of(now));
        var lost = was.Without(isNow);
        if (!lost.WithoutNull().IsEmpty)
        {
            Add(Breaks, $"It takes {isNow} for {place} now, where it took {was}.{Mend}");
        }
        else if (!lost.IsEmpty)
        {
            var isNull = template is { ValueKind: JsonValueKind.Null };
            Add(isNull ? Breaks : DriftKind.Compatible, $"It no longer takes null for {place}{(isNull ? $", which the step gives.{Mend}" : ".")}");
        }
        else if (!isNow.Without(was).IsEmpty)
        {
            Add(DriftKind.Compatible, $"It takes {isNow} for {place} now, where it took {was}.");
        }
    }

    private void LookAtChoices(string place, JsonElement before, JsonElement now, JsonElement? template)
    {
        var (were, are) = (Choices(before), Choices(now));
        if (are is null)
        {
            if (were is not null)
            {
                Add(DriftKind.Compatible, $"It takes any value for {place} now, where it took some only.");
            }

            return;
        }

        if (Constant(template) is { } constant && !Has(are, constant) && (were is null || Has(were, constant)))
        {
            Add(Breaks, $"It no longer takes {(_given!.IsPrivate ? "the value" : Shown(constant))} for {place} that the step gives; it takes {Shown(are)}.{Mend}");
        }
        else if (were is null || were.Exists(w => !Has(are, w)))
        {
            Add(DriftKind.Compatible, $"It takes only {Shown(are)} for {place} now.");
        }
        else if (are.Exists(a => !Has(were, a)))
        {
            Add(DriftKind.Compatible, $"It takes further values for {place} now.");
        }
    }

    private void LookAtNotes(string place, JsonElement before, JsonElement now)
    {
        if (Differs("description", before, now))
        {
            Add(DriftKind.Compatible, $"It describes {place} otherwise.");
        }

        if (Differs("default", before, now))
        {
            Add(DriftKind.Compatible, $"It has another default for {place} now{(_given is not null ? "." : ", which the step leaves to it.")}");
        }

        var rules = Rules.Where(r => Differs(r, before, now)).ToList();
        if (rules.Count > 0)
        {
            Add(DriftKind.Compatible, $"It has other rules for {place} now ({string.Join(", ", rules)}).");
        }
    }

    private void LookAtMembers(string place, JsonElement before, JsonElement now, JsonElement? template)
    {
        if (Members(before) is not { } were || Members(now) is not { } are)
        {
            return;
        }

        var given = template is { ValueKind: JsonValueKind.Object } known ? known : (JsonElement?)null;
        foreach (var member in were.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal))
        {
            var at = $"'{member.Name}' of {place}";
            var part = given is { } whole && whole.TryGetProperty(member.Name, out var value) ? value : (JsonElement?)null;
            if (!are.TryGetProperty(member.Name, out var today))
            {
                Add(part is null ? DriftKind.Compatible : Breaks, $"It no longer takes {at}{(part is null ? "." : $", which the step gives.{Mend}")}");
            }
            else if (given is null || part is not null)
            {
                Look(at, member.Value, today, part);
            }
        }

        foreach (var member in are.EnumerateObject().Where(m => IsNeeded(now, m.Name, m.Value)).OrderBy(m => m.Name, StringComparer.Ordinal))
        {
            var isGiven = given is { } whole && whole.TryGetProperty(member.Name, out _);
            var wasThere = were.TryGetProperty(member.Name, out var earlier);
            if (isGiven || (wasThere && IsNeeded(before, member.Name, earlier)))
            {
                continue;
            }

            // What comes from elsewhere and could have it then may have it now.
            Add(given is null && wasThere ? DriftKind.Compatible : Breaks, $"It needs '{member.Name}' of {place} now.{(given is null && wasThere ? "" : Mend)}");
        }
    }

    private void LookAtItems(string place, JsonElement before, JsonElement now, JsonElement? template)
    {
        if (template is not { ValueKind: JsonValueKind.Array } list)
        {
            Look(place, before, now, null);
            return;
        }

        foreach (var item in list.EnumerateArray())
        {
            Look(place, before, now, item);
        }
    }

    /// <summary>What a change in the way of a value means: nothing for an argument that is not given, or that is given for the function as it is today.</summary>
    private DriftKind Breaks => IsOfTheStep ? DriftKind.Breaking : DriftKind.Compatible;

    private bool IsOfTheStep => _given is { IsAdapted: false };

    private string Mend => IsOfTheStep ? " Give another value as an adapted parameter, or record the task anew." : "";

    private void Add(DriftKind kind, string message) => _changes.Add(new SignatureChange(kind, message));

    private static bool Differs(string keyword, JsonElement before, JsonElement now)
    {
        var (had, has) = (before.TryGetProperty(keyword, out var was), now.TryGetProperty(keyword, out var isNow));

        // What was taken out as a secret is not known.
        return had != has ? !had || !IsRedacted(was) : had && !IsRedacted(was) && !Json.AreEqual(was, isNow);
    }

    private static bool IsRedacted(JsonElement value) => RedactionMarker.IsIn(value.GetRawText());

    private static JsonElement? Members(JsonElement schema) =>
        schema.TryGetProperty("properties", out var members) && members.ValueKind is JsonValueKind.Object ? members : null;

    private static List<JsonElement>? Choices(JsonElement schema) =>
        schema.TryGetProperty("enum", out var choices) && choices.ValueKind is JsonValueKind.Array ? [.. choices.EnumerateArray()]
        : schema.TryGetProperty("const", out var only) ? [only]
        : null;

    private static bool Has(List<JsonElement> choices, JsonElement value) => choices.Exists(c => Json.AreEqual(c, value) || IsRedacted(c));

    /// <summary>The value behind a template, where it is known before the step runs.</summary>
    private static JsonElement? Constant(JsonElement? template) => template switch
    {
        { ValueKind: JsonValueKind.String } text => ValueExpression.Parse(text.GetString()!) is LiteralText literal ? Json.String(literal.Text) : null,
        { ValueKind: JsonValueKind.Object or JsonValueKind.Array } or null => null,
        { } value => value,
    };

    private static string Shown(JsonElement value) => ProcedureText.Shortened(value.GetRawText(), 60);

    private static string Shown(List<JsonElement> choices) => ProcedureText.Shortened(string.Join(", ", choices.Select(c => c.GetRawText())), 100);
}
