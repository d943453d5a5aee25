using System.Globalization;
using System.Text;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>
/// Where a value comes from, as written in a string of a step's argument template. The notation follows the runtime expressions of the
/// Arazzo Specification (OpenAPI Initiative):
/// <list type="bullet">
/// <item><c>$inputs.order_id</c>: an input; <c>$inputs.order#/lines/0</c>: a part of it, the fragment being a JSON Pointer (RFC 6901).</item>
/// <item><c>$steps.get_order.outputs</c>: the result of an earlier step; <c>$steps.get_order.outputs#/customer/id</c>: a part of it. Both keep their JSON type.</item>
/// <item><c>$item</c>: in a loop, the element that it is at; <c>$item#/sku</c>: a part of it.</item>
/// <item><c>$steps.get_order.outputs$.items[?@.name==$inputs.item].item_id</c>: of a list the one element whose field has a value, and there a part of it. What follows
/// <c>outputs</c> is a JSONPath (RFC 9535) with <c>$</c> for the result, in which one filter compares a field with a reference or a JSON literal. It goes through the members of an object as well.</item>
/// <item><c>$steps.get_product.outputs$.variants[?@.color==$inputs.color]~</c>: the name of that member, as where an object holds things by their ids. <c>~</c> stands at the end,
/// and is an extension of RFC 9535.</item>
/// <item><c>$steps.get_user.outputs$.accounts[*].iban</c>, <c>$steps.get_user.outputs$.accounts[*]~</c>: of a list or an object the only element, or its name. There must be exactly one.</item>
/// <item><c>$inputs.order_id|without:%23</c>: a value converted, by one or more of the conversions of <see cref="ValueConversion"/>.</item>
/// <item><c>Refund for {$inputs.order_id}</c>: text with values in it; <c>{$}</c> there stands for a dollar sign.</item>
/// <item><c>$$anything</c>: the text after the two dollar signs, as it stands. <see cref="Escape(string)"/> writes it where a literal needs it.</item>
/// </list>
/// Every other string is a literal. In pointers, paths and conversions <c>%</c>, <c>}</c> and <c>|</c> are percent-encoded, as in a URI fragment.
/// </summary>
public abstract record ValueExpression
{
    private const string InputPrefix = "$inputs.";
    private const string StepPrefix = "$steps.";
    private const string ItemPrefix = "$item";

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

        if (template.StartsWith(InputPrefix, StringComparison.Ordinal) || template.StartsWith(StepPrefix, StringComparison.Ordinal) || IsItem(template))
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

    /// <summary>Whether a text refers to something; one that is no template does not.</summary>
    internal static bool MayRefer(JsonElement text)
    {
        try
        {
            return text.ValueKind is JsonValueKind.String && References(text).Any();
        }
        catch (ProcedureFormatException)
        {
            return false;
        }
    }

    /// <summary>A template with other ids for the steps that it refers to, and other names for the inputs.</summary>
    internal static JsonElement RenameSteps(JsonElement template, Func<string, string> rename, Func<string, string>? renameInput = null)
    {
        // Most templates refer to none of them, and stay as they are to the byte.
        return References(template).Any(r => r is StepReference step ? rename(step.StepId) != step.StepId : r is InputReference && renameInput is not null) ? Json.Build(writer => Write(writer, template)) : template;

        void Write(Utf8JsonWriter writer, JsonElement value)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Object:
                    writer.WriteStartObject();
                    foreach (var member in value.EnumerateObject())
                    {
                        writer.WritePropertyName(member.Name);
                        Write(writer, member.Value);
                    }

                    writer.WriteEndObject();
                    break;
                case JsonValueKind.Array:
                    writer.WriteStartArray();
                    foreach (var item in value.EnumerateArray())
                    {
                        Write(writer, item);
                    }

                    writer.WriteEndArray();
                    break;
                case JsonValueKind.String:
                    writer.WriteStringValue(Renamed(Parse(value.GetString()!)).ToString());
                    break;
                default:
                    value.WriteTo(writer);
                    break;
            }
        }

        ValueExpression Renamed(ValueExpression expression) => expression switch
        {
            StepReference step => step with { StepId = rename(step.StepId) },
            InputReference input when renameInput is not null => input with { Name = renameInput(input.Name) },
            ElementReference element => element with { StepId = rename(element.StepId), Match = Renamed(element.Match) },
            OnlyElementReference only => only with { StepId = rename(only.StepId) },
            ConvertedValue converted => converted with { Source = Renamed(converted.Source) },
            InterpolatedText text => new InterpolatedText([.. text.Parts.Select(Renamed)]),
            _ => expression,
        };
    }

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

    // $items or $item_1 are words of their own.
    private static bool IsItem(string text) =>
        text.StartsWith(ItemPrefix, StringComparison.Ordinal) && (text.Length == ItemPrefix.Length || text[ItemPrefix.Length] is '#' or '|');

    private static ValueExpression ParseReference(string reference, string template)
    {
        var parts = reference.Split('|');
        var expression = ParseSource(parts[0], template);
        foreach (var part in parts.Skip(1))
        {
            expression = new ConvertedValue(expression, ValueConversion.TryParse(part) ?? throw Malformed(template, $"'{Shown(part)}' is no conversion. There are {ValueConversion.Names}"));
        }

        return expression;
    }

    private static ValueExpression ParseSource(string source, string template)
    {
        if (source.StartsWith(StepPrefix, StringComparison.Ordinal))
        {
            var end = source.IndexOf(Outputs, StepPrefix.Length, StringComparison.Ordinal);
            var id = end < 0 ? "" : source[StepPrefix.Length..end];
            var rest = end < 0 ? "" : source[(end + Outputs.Length)..];
            if (IsName(id) && (rest.Length == 0 || rest[0] == '#'))
            {
                return new StepReference(id, PointerIn(rest, template));
            }

            if (IsName(id) && rest[0] == '$')
            {
                return ElementPath.Parse(id, Uri.UnescapeDataString(rest), template);
            }
        }
        else
        {
            var hash = source.IndexOf('#', StringComparison.Ordinal);
            var head = hash < 0 ? source : source[..hash];
            if (head.StartsWith(InputPrefix, StringComparison.Ordinal) && IsName(head[InputPrefix.Length..]))
            {
                return new InputReference(head[InputPrefix.Length..], PointerIn(source[head.Length..], template));
            }

            if (head == ItemPrefix)
            {
                return new ItemReference(PointerIn(source[head.Length..], template));
            }
        }

        throw Malformed(template, $"'{Shown(source)}' is neither $inputs.<name>, $steps.<id>.outputs nor $item");
    }

    private static string PointerIn(string fragment, string template)
    {
        var pointer = fragment.Length == 0 ? "" : Uri.UnescapeDataString(fragment[1..]);
        return JsonPointer.IsValid(pointer) ? pointer : throw Malformed(template, $"'{Shown(pointer)}' is no JSON Pointer (RFC 6901), such as /customer/id");
    }

    /// <summary>Reads a reference that stands inside another expression.</summary>
    internal static ValueExpression ParseOperand(string reference, string template) => ParseSource(reference, template);

    internal static ProcedureFormatException Malformed(string template, string why)
    {
        return new ProcedureFormatException("", $"The expression \"{Shown(template)}\" is malformed: {why}. To mean the text itself, write $$ before it.");
    }

    private static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "…";

    /// <summary>Encodes a pointer for use in an expression.</summary>
    private protected static string Fragment(string pointer) =>
        pointer.Length == 0 ? "" : "#" + Encode(pointer);

    /// <summary>Encodes what would end an expression.</summary>
    internal static string Encode(string text) =>
        text.Replace("%", "%25", StringComparison.Ordinal).Replace("}", "%7D", StringComparison.Ordinal).Replace("|", "%7C", StringComparison.Ordinal);

    private protected const string Outputs = ".outputs";

    /// <summary>The value that the expression has.</summary>
    /// <exception cref="UnresolvedBindingException">It leads nowhere.</exception>
    internal abstract JsonElement Evaluate(IExpressionContext context);

    /// <summary>A value as it stands in a text.</summary>
    internal static string AsText(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Null or JsonValueKind.Undefined => "",
        _ => value.GetRawText(),
    };

    /// <summary>The elements of a list, or the members of an object with their names.</summary>
    /// <exception cref="UnresolvedBindingException">It is neither, or a name is wanted and elements have none.</exception>
    private protected List<(string? Name, JsonElement Value)> Elements(JsonElement value, string stepId, bool named) => value.ValueKind switch
    {
        JsonValueKind.Object => [.. value.EnumerateObject().Select(m => ((string?)m.Name, m.Value))],
        JsonValueKind.Array when !named => [.. value.EnumerateArray().Select(e => ((string?)null, e))],
        _ => throw new UnresolvedBindingException($"{this} leads nowhere: what step '{stepId}' returned there is {(named ? "no object" : "no list or object")} but {Json.Word(Json.TypeOf(value))}. Give the argument as an adapted parameter."),
    };

    private protected static string Counted(List<(string? Name, JsonElement Value)> elements) =>
        string.Create(CultureInfo.InvariantCulture, $"{elements.Count} {(elements is [{ Name: not null }, ..] ? "member" : "element")}{(elements.Count == 1 ? "" : "s")}");

    private protected JsonElement Follow(JsonElement root, string pointer, string what) => JsonPointer.TryResolve(root, pointer, out var found)
        ? found
        : throw new UnresolvedBindingException($"{this} leads nowhere: {what} ({Json.Word(Json.TypeOf(root))}) has nothing at {pointer}. Give the argument as an adapted parameter.");
}

/// <summary>What the expressions of a step refer to, as it is known when the step runs.</summary>
internal interface IExpressionContext
{
    /// <summary>An input, or JSON null when it was not given.</summary>
    JsonElement Input(string name);

    /// <summary>The result of an earlier step, or JSON null when there is none.</summary>
    JsonElement Output(string stepId);

    /// <summary>The element that the innermost loop is at.</summary>
    JsonElement Item { get; }
}

/// <summary>An expression found no value.</summary>
internal sealed class UnresolvedBindingException(string message) : Exception(message);
