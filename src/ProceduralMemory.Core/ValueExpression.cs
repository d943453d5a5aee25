using System.Text;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>
/// Where a value comes from, as written in a string of a step's argument template. The notation follows the runtime expressions of the
/// Arazzo Specification (OpenAPI Initiative):
/// <list type="bullet">
/// <item><c>$inputs.order_id</c>: an input; <c>$inputs.order#/lines/0</c>: a part of it, the fragment being a JSON Pointer (RFC 6901).</item>
/// <item><c>$steps.get_order.outputs</c>: the result of an earlier step; <c>$steps.get_order.outputs#/customer/id</c>: a part of it. Both keep their JSON type.</item>
/// <item><c>Refund for {$inputs.order_id}</c>: text with values in it; <c>{$}</c> there stands for a dollar sign.</item>
/// <item><c>$$anything</c>: the text after the two dollar signs, as it stands. <see cref="Escape(string)"/> writes it where a literal needs it.</item>
/// </list>
/// Every other string is a literal. In a pointer <c>%</c> and <c>}</c> are percent-encoded, as in a URI fragment.
/// </summary>
public abstract record ValueExpression
{
    private const string InputPrefix = "$inputs.";
    private const string StepPrefix = "$steps.";
    private const string Outputs = ".outputs";

    private protected ValueExpression()
    {
    }

    /// <summary>Reads a template string.</summary>
    /// <param name="template">The string.</param>
    /// <exception cref="ProcedureFormatException">It begins as an expression and is none.</exception>
    public static ValueExpression Parse(string template)
    {
        ArgumentNullException.ThrowIfNull(template);
        if (template.StartsWith("$$", StringComparison.Ordinal))
        {
            return new LiteralText(template[2..]);
        }

        if (template.StartsWith(InputPrefix, StringComparison.Ordinal) || template.StartsWith(StepPrefix, StringComparison.Ordinal))
        {
            return ParseReference(template, template);
        }

        return template.Contains("{$", StringComparison.Ordinal) ? ParseInterpolation(template) : new LiteralText(template);
    }

    /// <summary>The template that stands for a text as it is, whatever it looks like: <c>Parse(Escape(text))</c> is that text for every text.</summary>
    /// <param name="text">The text.</param>
    public static string Escape(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.StartsWith('$') || text.Contains("{$", StringComparison.Ordinal) ? "$$" + text : text;
    }

    /// <summary>The template that stands for a JSON value as it is: every string in it is escaped.</summary>
    /// <param name="value">The value.</param>
    public static JsonElement Escape(JsonElement value) => Json.Build(writer => WriteEscaped(writer, value));

    /// <summary>Every expression in a template that refers to an input or to a step, in document order.</summary>
    /// <param name="template">A JSON template.</param>
    /// <exception cref="ProcedureFormatException">A string in it begins as an expression and is none.</exception>
    public static IEnumerable<ValueExpression> References(JsonElement template) => template.ValueKind switch
    {
        JsonValueKind.String => Parse(template.GetString()!).References(),
        JsonValueKind.Object => template.EnumerateObject().SelectMany(p => References(p.Value)),
        JsonValueKind.Array => template.EnumerateArray().SelectMany(References),
        _ => [],
    };

    /// <summary>The references in this expression: itself, its parts, or none.</summary>
    public virtual IEnumerable<ValueExpression> References() => [this];

    /// <summary>Whether a name can stand in an expression: a letter or <c>_</c>, then letters, digits, <c>_</c> and <c>-</c>.</summary>
    /// <param name="name">The name.</param>
    public static bool IsName(string name) =>
        !string.IsNullOrEmpty(name) && (char.IsLetter(name[0]) || name[0] == '_') && name.All(c => char.IsLetterOrDigit(c) || c is '_' or '-');

    internal static void WriteEscaped(Utf8JsonWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var property in value.EnumerateObject())
                {
                    writer.WritePropertyName(property.Name);
                    WriteEscaped(writer, property.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in value.EnumerateArray())
                {
                    WriteEscaped(writer, item);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.String:
                writer.WriteStringValue(Escape(value.GetString()!));
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }

    private static InterpolatedText ParseInterpolation(string template)
    {
        var parts = new List<ValueExpression>();
        var text = new StringBuilder();
        var position = 0;
        while (template.IndexOf("{$", position, StringComparison.Ordinal) is >= 0 and var start)
        {
            text.Append(template, position, start - position);
            var end = template.IndexOf('}', start);
            if (end < 0)
            {
                throw Malformed(template, $"the brace at character {start} is not closed");
            }

            var inner = template[(start + 1)..end];
            if (inner == "$")
            {
                text.Append('$');
            }
            else
            {
                if (text.Length > 0)
                {
                    parts.Add(new LiteralText(text.ToString()));
                    text.Clear();
                }

                parts.Add(ParseReference(inner, template));
            }

            position = end + 1;
        }

        text.Append(template, position, template.Length - position);
        if (text.Length > 0)
        {
            parts.Add(new LiteralText(text.ToString()));
        }

        return new InterpolatedText(parts);
    }

    private static ValueExpression ParseReference(string reference, string template)
    {
        var hash = reference.IndexOf('#', StringComparison.Ordinal);
        var head = hash < 0 ? reference : reference[..hash];
        var pointer = hash < 0 ? "" : Uri.UnescapeDataString(reference[(hash + 1)..]);
        if (!JsonPointer.IsValid(pointer))
        {
            throw Malformed(template, $"'{Shown(pointer)}' is no JSON Pointer (RFC 6901), such as /customer/id");
        }

        if (head.StartsWith(InputPrefix, StringComparison.Ordinal) && IsName(head[InputPrefix.Length..]))
        {
            return new InputReference(head[InputPrefix.Length..], pointer);
        }

        if (head.StartsWith(StepPrefix, StringComparison.Ordinal) && head.EndsWith(Outputs, StringComparison.Ordinal)
            && head.Length > StepPrefix.Length + Outputs.Length && IsName(head[StepPrefix.Length..^Outputs.Length]))
        {
            return new StepReference(head[StepPrefix.Length..^Outputs.Length], pointer);
        }

        throw Malformed(template, $"'{Shown(head)}' is neither $inputs.<name> nor $steps.<id>.outputs");
    }

    private static ProcedureFormatException Malformed(string template, string why)
    {
        return new ProcedureFormatException("", $"The expression \"{Shown(template)}\" is malformed: {why}. To mean the text itself, write $$ before it.");
    }

    private static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "…";

    /// <summary>Encodes a pointer for use in an expression.</summary>
    private protected static string Fragment(string pointer) =>
        pointer.Length == 0 ? "" : "#" + pointer.Replace("%", "%25", StringComparison.Ordinal).Replace("}", "%7D", StringComparison.Ordinal);
}

/// <summary>A text that stands for itself.</summary>
/// <param name="Text">The text.</param>
public sealed record LiteralText(string Text) : ValueExpression
{
    /// <inheritdoc/>
    public override IEnumerable<ValueExpression> References() => [];

    /// <inheritdoc/>
    public override string ToString() => Escape(Text);
}

/// <summary>An input of the procedure, or a part of it.</summary>
/// <param name="Name">The input's name.</param>
/// <param name="Pointer">A JSON Pointer into its value; empty for the whole.</param>
public sealed record InputReference(string Name, string Pointer = "") : ValueExpression
{
    /// <inheritdoc/>
    public override string ToString() => $"$inputs.{Name}{Fragment(Pointer)}";
}

/// <summary>The result of an earlier step, or a part of it.</summary>
/// <param name="StepId">The step's id.</param>
/// <param name="Pointer">A JSON Pointer into its result; empty for the whole.</param>
public sealed record StepReference(string StepId, string Pointer = "") : ValueExpression
{
    /// <inheritdoc/>
    public override string ToString() => $"$steps.{StepId}.outputs{Fragment(Pointer)}";
}

/// <summary>A text with values in it. Strings are inserted as they are, other values as their JSON.</summary>
/// <param name="Parts">Literal texts and references, in order.</param>
public sealed record InterpolatedText(IReadOnlyList<ValueExpression> Parts) : ValueExpression
{
    /// <inheritdoc/>
    public override IEnumerable<ValueExpression> References() => Parts.Where(p => p is not LiteralText);

    /// <inheritdoc/>
    public bool Equals(InterpolatedText? other) => other is not null && Parts.SequenceEqual(other.Parts);

    /// <inheritdoc/>
    public override int GetHashCode() => Parts.Aggregate(0, HashCode.Combine);

    /// <inheritdoc/>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var part in Parts)
        {
            // A dollar sign is escaped where it would begin something: at the start of the template, and after a brace.
            if (part is LiteralText literal)
            {
                foreach (var c in literal.Text)
                {
                    text.Append(c == '$' && (text.Length == 0 || text[^1] == '{') ? "{$}" : c.ToString());
                }
            }
            else
            {
                text.Append('{').Append(part).Append('}');
            }
        }

        return text.ToString();
    }
}
