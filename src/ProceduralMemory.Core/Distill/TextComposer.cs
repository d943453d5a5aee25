using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>Finds texts that are put together: a literal around values that the procedure knows, such as <c>Refund for order {$inputs.order_id}</c>, a path or an e-mail address.</summary>
internal sealed class TextComposer(SourceFinder sources)
{
    // Longer texts are prose; what stands in them is told, not filled in.
    private const int LongestText = 400;
    private const int MaxWords = 48;
    private const int MaxWordsInAPart = 6;
    private const double EnoughForAPart = 8;

    // What one recording alone says was put together has to be short, and its parts have to be unlike common words: prose is written anew for every occasion.
    private const int MostWordsOfOneRecording = 10;
    private const double EnoughForAPartOfOneRecording = 14;

    /// <summary>Says that the parts of every text in an argument are looked for.</summary>
    public static void Want(JsonElement value, ValueIndex index)
    {
        switch (value.ValueKind)
        {
            // What is larger is not taken apart, so nothing in it is asked for.
            case JsonValueKind.Object or JsonValueKind.Array when Size(value) > ArgumentDistiller.MaxParts:
                break;
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                {
                    Want(member.Value, index);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    Want(item, index);
                }

                break;
            case JsonValueKind.String:
                foreach (var (start, length) in PartsOf(value.GetString()!))
                {
                    index.Want(value.GetString()!.Substring(start, length));
                }

                break;
        }
    }

    private static int Size(JsonElement value) => value.ValueKind is JsonValueKind.Array ? value.GetArrayLength() : value.GetPropertyCount();

    public IReadOnlyList<Hypothesis> Compose(Position position)
    {
        if (position.Values.Any(v => v.ValueKind is not JsonValueKind.String))
        {
            return [];
        }

        var texts = position.Values.Select(v => v.GetString()!).ToList();
        if (texts.Count == 1 && texts[0].Split(' ', StringSplitOptions.RemoveEmptyEntries).Length > MostWordsOfOneRecording)
        {
            return [];
        }

        var chosen = new List<Part>();
        foreach (var (start, length) in PartsOf(texts[0]))
        {
            if (!chosen.Exists(p => start < p.Start + p.Length && p.Start < start + length) && Find(position, texts, start, length) is { } part)
            {
                chosen.Add(part);
            }
        }

        chosen.Sort((a, b) => a.Start.CompareTo(b.Start));
        var used = Agrees(texts, chosen) ? chosen : chosen.Find(p => Agrees(texts, [p])) is { } alone ? [alone] : [];

        // What stands in place of a secret is no part of the text.
        return used.Count == 0 || RedactionMarker.In(texts[0]).Any(m => !used.Exists(p => p.Start <= m.Start && m.Start + m.Length <= p.Start + p.Length))
            ? []
            :
            [
                new Hypothesis(
                    SourceKind.Composed,
                    Text(texts[0], used, p => p.Expression).ToString(),
                    [Evidence.TextAround(used.Count)],
                    () => new ValueSource(position, SourceKind.Composed, Text(texts[0], used, p => p.Accept()))),
            ];
    }

    private Part? Find(Position position, List<string> texts, int start, int length)
    {
        var piece = texts[0].Substring(start, length);
        var enough = texts.Count == 1 ? EnoughForAPartOfOneRecording : EnoughForAPart;
        foreach (var (expression, values, accept) in sources.Pieces(position, piece))
        {
            if (ValueMatch.Between(expression, [values[0]], [Json.String(piece)]) is { } first and not InterpolatedText
                && TextsOf(first, values) is { } wanted && wanted[0] == piece
                && wanted.Zip(texts).All(p => p.First.Length > 0 && p.Second.Contains(p.First, StringComparison.Ordinal))
                && wanted.Distinct(StringComparer.Ordinal).Sum(w => ValueKey.Specificity(Json.String(w))) >= enough)
            {
                return new Part(start, length, first, wanted, () => first is ConvertedValue { Conversion: var conversion } ? new ConvertedValue(accept(), conversion) : accept());
            }

            // A number stands in a text as its JSON.
            if (values.All(v => v.ValueKind is JsonValueKind.Number) && values[0].GetRawText() == piece && ValueKey.Specificity(values[0]) >= enough)
            {
                return new Part(start, length, expression, [.. values.Select(v => v.GetRawText())], accept);
            }
        }

        return null;
    }

    private static List<string>? TextsOf(ValueExpression expression, IReadOnlyList<JsonElement> values)
    {
        var texts = new List<string>();
        foreach (var value in values)
        {
            if ((expression is ConvertedValue converted ? converted.Conversion.Apply(value) : value) is not { ValueKind: JsonValueKind.String } text)
            {
                return null;
            }

            texts.Add(text.GetString()!);
        }

        return texts;
    }

    /// <summary>Whether the text around the parts is the same in every trace.</summary>
    private static bool Agrees(List<string> texts, List<Part> parts)
    {
        for (var i = 0; i < texts.Count && parts.Count > 0; i++)
        {
            var (at, made) = (0, "");
            foreach (var part in parts)
            {
                made += texts[0][at..part.Start] + part.Texts[i];
                at = part.Start + part.Length;
            }

            if (made + texts[0][at..] != texts[i])
            {
                return false;
            }
        }

        return parts.Count > 0;
    }

    private static InterpolatedText Text(string text, List<Part> parts, Func<Part, ValueExpression> expression)
    {
        var composed = new List<ValueExpression>();
        var at = 0;
        foreach (var part in parts)
        {
            if (part.Start > at)
            {
                composed.Add(new LiteralText(text[at..part.Start]));
            }

            composed.Add(expression(part));
            at = part.Start + part.Length;
        }

        if (at < text.Length)
        {
            composed.Add(new LiteralText(text[at..]));
        }

        return new InterpolatedText(composed);
    }

    /// <summary>Every run of whole words in a text that is not all of it, the longest first.</summary>
    private static IEnumerable<(int Start, int Length)> PartsOf(string text)
    {
        if (text.Length > LongestText)
        {
            return [];
        }

        var words = new List<(int Start, int End)>();
        var secrets = RedactionMarker.In(text);
        for (var i = 0; i < text.Length && words.Count < MaxWords; i++)
        {
            if (secrets.FirstOrDefault(s => s.Start == i) is { Length: > 0 } secret)
            {
                words.Add((i, i + secret.Length));
                i += secret.Length - 1;
            }
            else if (char.IsLetterOrDigit(text[i]))
            {
                var start = i;
                while (i < text.Length && char.IsLetterOrDigit(text[i]))
                {
                    i++;
                }

                words.Add((start, i));
            }
        }

        return words
            .SelectMany((first, i) => words.Skip(i).Take(MaxWordsInAPart).Select(last => (first.Start, Length: last.End - first.Start)))
            .Where(p => p.Length < text.Length && p.Length > 1)
            .OrderByDescending(p => p.Length)
            .ThenBy(p => p.Start);
    }

    private sealed record Part(int Start, int Length, ValueExpression Expression, IReadOnlyList<string> Texts, Func<ValueExpression> Accept);
}
