using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>Whether values are those of a source, as they are or by one conversion, in every trace.</summary>
internal static class ValueMatch
{
    /// <summary>Whether two values are equal in every trace.</summary>
    public static bool AreEqual(IReadOnlyList<JsonElement> first, IReadOnlyList<JsonElement> second)
    {
        for (var i = 0; i < first.Count; i++)
        {
            if (!Json.AreEqual(first[i], second[i]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The expression that makes the wanted value of a source's value in every trace: the source itself, or the first conversion that does; <see langword="null"/> for none.</summary>
    public static ValueExpression? Between(ValueExpression source, IReadOnlyList<JsonElement> from, IReadOnlyList<JsonElement> wanted)
    {
        if (AreEqual(from, wanted))
        {
            return source;
        }

        // What is converted is one value; a conversion of a conversion, or inside of a text, explains anything by anything.
        if (source is ConvertedValue or InterpolatedText or ItemReference || wanted.Any(v => v.ValueKind is not (JsonValueKind.String or JsonValueKind.Number)))
        {
            return null;
        }

        foreach (var conversion in Conversions(from[0], wanted[0]))
        {
            if (from.Zip(wanted).All(p => conversion.Apply(p.First) is { } converted && Json.AreEqual(converted, p.Second)))
            {
                return new ConvertedValue(source, conversion);
            }
        }

        return Prefixed(source, from, wanted);
    }

    /// <summary>The conversions that may lead from one value to another, the plainest first.</summary>
    private static List<ValueConversion> Conversions(JsonElement from, JsonElement wanted)
    {
        if (from.ValueKind is JsonValueKind.Number)
        {
            return wanted.ValueKind is JsonValueKind.String ? [ValueConversion.ToText] : [];
        }

        if (from.ValueKind is not JsonValueKind.String)
        {
            return [];
        }

        if (wanted.ValueKind is JsonValueKind.Number)
        {
            return [ValueConversion.ToNumber];
        }

        var (text, target) = (from.GetString()!, wanted.GetString()!);
        List<ValueConversion> found = [ValueConversion.Trim, ValueConversion.ToLower, ValueConversion.ToUpper];
        if (text.Length > 1 && text.Length == target.Length + 1 && ValueKey.IsPrefix(text[0]))
        {
            found.Add(ValueConversion.Without(text[..1]));
        }

        if (ValueKey.DateOf(text) is { } date && ValueKey.DateOf(target) is { } written)
        {
            found.Add(ValueConversion.Date(date.Format, written.Format));
        }

        return found;
    }

    private static InterpolatedText? Prefixed(ValueExpression source, IReadOnlyList<JsonElement> from, IReadOnlyList<JsonElement> wanted) =>
        wanted[0].ValueKind is JsonValueKind.String && wanted[0].GetString() is [var prefix, ..] && ValueKey.IsPrefix(prefix)
        && from.Zip(wanted).All(p => p.Second.ValueKind is JsonValueKind.String && p.Second.GetString() == prefix + ValueExpression.AsText(p.First))
            ? new InterpolatedText([new LiteralText(prefix.ToString()), source])
            : null;
}
