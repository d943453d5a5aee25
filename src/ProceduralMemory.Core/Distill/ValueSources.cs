using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Distill;

/// <summary>The inputs found so far: one value seen twice is one input, and names are unique.</summary>
internal sealed class InputCollector
{
    private readonly List<(JsonElement Value, bool Secret, string Place, ProcedureInput Input)> _found = [];

    public IReadOnlyList<ProcedureInput> Inputs => [.. _found.Select(f => f.Input)];

    public InputReference Add(string argument, JsonElement value, string description, bool secret)
    {
        // A withheld value cannot be compared; there the argument of the action tells.
        var withheld = secret || (value.ValueKind is JsonValueKind.String && value.ValueEquals(TraceStep.OmittedMarker));
        foreach (var (otherValue, otherSecret, otherPlace, other) in _found)
        {
            if (otherSecret == secret && JsonElement.DeepEquals(otherValue, value) && (!withheld || otherPlace == description))
            {
                return new InputReference(other.Name);
            }
        }

        var name = ExpressionName.Make(argument, "input", name => !_found.Exists(f => f.Input.Name == name));
        _found.Add((value, secret, description, new ProcedureInput
        {
            Name = name,
            Type = withheld ? JsonType.Any : Json.TypeOf(value),
            Description = description,
            Examples = withheld ? [] : [value],
            Secret = secret,
        }));
        return new InputReference(name);
    }
}

/// <summary>Every value in the results of earlier steps that is particular enough to be told from a coincidence, with where it was seen last.</summary>
internal sealed class ResultIndex
{
    // What is larger is data that passes through as a whole or not at all; the cap keeps a result of ten thousand rows from filling memory.
    private const int MaxValuesPerResult = 20_000;
    private const int MaxDepth = 16;
    private const int MinimumTextLength = 4;
    private const int MinimumNumberDigits = 4;

    private readonly Dictionary<string, StepReference> _sources = new(StringComparer.Ordinal);

    public void Add(string stepId, JsonElement result)
    {
        var left = MaxValuesPerResult;
        Visit(result, "", MaxDepth);

        void Visit(JsonElement value, string pointer, int depthLeft)
        {
            if (left-- <= 0 || depthLeft == 0)
            {
                return;
            }

            if (KeyOf(value) is { } key && (!_sources.TryGetValue(key, out var known) || known.StepId != stepId))
            {
                // A later result supersedes an earlier one; within one result the first place is kept.
                _sources[key] = new StepReference(stepId, pointer);
            }

            if (value.ValueKind is JsonValueKind.Object)
            {
                foreach (var member in value.EnumerateObject())
                {
                    Visit(member.Value, JsonPointer.Append(pointer, member.Name), depthLeft - 1);
                }
            }
            else if (value.ValueKind is JsonValueKind.Array)
            {
                var index = 0;
                foreach (var item in value.EnumerateArray())
                {
                    Visit(item, JsonPointer.Append(pointer, index++), depthLeft - 1);
                }
            }
        }
    }

    public StepReference? Find(JsonElement value) => KeyOf(value) is { } key ? _sources.GetValueOrDefault(key) : null;

    /// <summary>The value as text that is equal for equal values, or <see langword="null"/> for what any two values may have in common: flags, small numbers, short words, empty lists.</summary>
    private static string? KeyOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!.Length >= MinimumTextLength ? value.GetRawText() : null,
        JsonValueKind.Number => value.GetRawText() is var text && text.Count(char.IsAsciiDigit) >= MinimumNumberDigits ? text : null,
        JsonValueKind.Object => value.EnumerateObject().Any() ? value.GetRawText() : null,
        JsonValueKind.Array => value.GetArrayLength() > 0 ? value.GetRawText() : null,
        _ => null,
    };
}

/// <summary>The user's request as a source of values.</summary>
internal static partial class RequestText
{
    /// <summary>Whether a text names a value: as a whole word, not as part of one. <c>1.4.0</c> is not named by <c>11.4.0</c>, nor <c>12</c> by <c>2012</c>.</summary>
    public static bool Mentions(string? request, JsonElement value)
    {
        if (string.IsNullOrEmpty(request))
        {
            return false;
        }

        if (value.ValueKind is JsonValueKind.Number)
        {
            return Number().Matches(request).Any(m => JsonElement.DeepEquals(value, JsonElement.Parse(m.Value.Replace(",", "", StringComparison.Ordinal))));
        }

        if (value.ValueKind is not JsonValueKind.String || value.GetString() is not { } text || string.IsNullOrWhiteSpace(text))
        {
            return false;
        }

        for (var at = request.IndexOf(text, StringComparison.OrdinalIgnoreCase); at >= 0; at = request.IndexOf(text, at + 1, StringComparison.OrdinalIgnoreCase))
        {
            if (IsBoundary(request, at - 1, text[0], step: -1) && IsBoundary(request, at + text.Length, text[^1], step: 1))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the value ends here: outside is no letter or digit, nor a point or dash that continues a number or a compound.</summary>
    private static bool IsBoundary(string request, int outside, char inside, int step)
    {
        if (outside < 0 || outside >= request.Length || !char.IsLetterOrDigit(inside))
        {
            return true;
        }

        var c = request[outside];
        if (char.IsLetterOrDigit(c) || c == '_')
        {
            return false;
        }

        var beyond = outside + step;
        return c is not ('.' or '-' or ',') || beyond < 0 || beyond >= request.Length || !char.IsLetterOrDigit(request[beyond])
            || (c is ',' && !char.IsDigit(request[beyond]));
    }

    // Whole numbers and decimals, with or without thousands' commas, that are not part of a word, a version or a longer number.
    [GeneratedRegex(@"(?<![\p{L}\p{N}_.,-]|[\p{L}\p{N}]-)-?(?:0|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*)(?:\.\d+)?(?![\p{L}\p{N}_]|[.,-][\p{L}\p{N}])", RegexOptions.CultureInvariant)]
    private static partial Regex Number();
}
