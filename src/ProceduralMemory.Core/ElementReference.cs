using System.Globalization;
using System.Text;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>Of a list or an object in the result of an earlier step the one element or member whose field has a value: a part of it, or the member's name.</summary>
/// <param name="StepId">The step's id.</param>
/// <param name="ListPointer">A JSON Pointer to the list or the object in its result; empty when the result is it.</param>
/// <param name="FieldPointer">A JSON Pointer from an element to the field that is compared; empty for the element itself.</param>
/// <param name="Match">What the field must equal: an input, an earlier result, the element of a loop, or a literal (<see cref="LiteralValue"/>).</param>
/// <param name="Pointer">A JSON Pointer from the element to the value that is wanted; empty for the whole.</param>
/// <param name="TakesName">Whether the name of the member is wanted, and not its value; <paramref name="Pointer"/> is empty then.</param>
public sealed record ElementReference(string StepId, string ListPointer, string FieldPointer, ValueExpression Match, string Pointer = "", bool TakesName = false) : ValueExpression
{
    /// <summary>A JSON Pointer from the element to the value that is wanted; empty for the whole.</summary>
    /// <exception cref="ArgumentException">It is not empty, and the name of the member is wanted.</exception>
    public string Pointer { get; init; } = ElementPath.PointerFor(Pointer, TakesName);

    /// <inheritdoc/>
    public override IEnumerable<ValueExpression> References() => [new StepReference(StepId, ListPointer), .. Match.References()];

    /// <inheritdoc/>
    public override string ToString() =>
        $"$steps.{StepId}{Outputs}{Encode($"${ElementPath.Write(ListPointer)}[?@{ElementPath.Write(FieldPointer)}=={ElementPath.Operand(Match)}]{ElementPath.Write(Pointer)}{(TakesName ? ElementPath.Name : "")}")}";

    internal override JsonElement Evaluate(IExpressionContext context)
    {
        var all = Elements(Follow(context.Output(StepId), ListPointer, $"the result of step '{StepId}'"), StepId, TakesName);
        var wanted = Match.Evaluate(context);
        var elements = all.Where(e => JsonPointer.TryResolve(e.Value, FieldPointer, out var field) && Json.AreEqual(field, wanted)).ToList();
        if (elements.Count == 0)
        {
            throw new UnresolvedBindingException($"{this} leads nowhere: none of the {Counted(all)} that step '{StepId}' returned has that value there. Check {Match}, or give the argument as an adapted parameter.");
        }

        var values = elements.ConvertAll(e => TakesName ? Json.String(e.Name!) : Follow(e.Value, Pointer, e.Name is null ? "the element" : "the member"));
        return values.TrueForAll(v => Json.AreEqual(v, values[0]))
            ? values[0]
            : throw new UnresolvedBindingException($"{this} is ambiguous: {Counted(elements)} that step '{StepId}' returned have that value there. Give the argument as an adapted parameter.");
    }
}

/// <summary>Of a list or an object in the result of an earlier step the only element or member, whatever its name: a part of it, or the name.</summary>
/// <param name="StepId">The step's id.</param>
/// <param name="ListPointer">A JSON Pointer to the list or the object in its result; empty when the result is it.</param>
/// <param name="Pointer">A JSON Pointer from the element to the value that is wanted; empty for the whole.</param>
/// <param name="TakesName">Whether the name of the member is wanted, and not its value; <paramref name="Pointer"/> is empty then.</param>
public sealed record OnlyElementReference(string StepId, string ListPointer, string Pointer = "", bool TakesName = false) : ValueExpression
{
    /// <summary>A JSON Pointer from the element to the value that is wanted; empty for the whole.</summary>
    /// <exception cref="ArgumentException">It is not empty, and the name of the member is wanted.</exception>
    public string Pointer { get; init; } = ElementPath.PointerFor(Pointer, TakesName);

    /// <inheritdoc/>
    public override IEnumerable<ValueExpression> References() => [new StepReference(StepId, ListPointer)];

    /// <inheritdoc/>
    public override string ToString() =>
        $"$steps.{StepId}{Outputs}{Encode($"${ElementPath.Write(ListPointer)}{ElementPath.Only}{ElementPath.Write(Pointer)}{(TakesName ? ElementPath.Name : "")}")}";

    internal override JsonElement Evaluate(IExpressionContext context)
    {
        var all = Elements(Follow(context.Output(StepId), ListPointer, $"the result of step '{StepId}'"), StepId, TakesName);
        return all switch
        {
            [{ Name: var name }] when TakesName => Json.String(name!),
            [{ Value: var only, Name: var name }] => Follow(only, Pointer, name is null ? "the element" : "the member"),
            [] => throw new UnresolvedBindingException($"{this} leads nowhere: what step '{StepId}' returned there is empty. Give the argument as an adapted parameter."),
            _ => throw new UnresolvedBindingException($"{this} is ambiguous: step '{StepId}' returned {Counted(all)} there, and only one was expected. Give the argument as an adapted parameter."),
        };
    }
}

/// <summary>A JSON literal that a field is compared with.</summary>
/// <param name="Value">A string, number, boolean or null.</param>
public sealed record LiteralValue(JsonElement Value) : ValueExpression
{
    /// <inheritdoc/>
    public override IEnumerable<ValueExpression> References() => [];

    /// <inheritdoc/>
    public bool Equals(LiteralValue? other) => other is not null && Json.AreEqual(Value, other.Value);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.ValueKind.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => ElementPath.Operand(this);

    internal override JsonElement Evaluate(IExpressionContext context) => Value;
}

/// <summary>The part of JSONPath (RFC 9535) that an <see cref="ElementReference"/> and an <see cref="OnlyElementReference"/> are written in: names, indices, and one filter or <c>[*]</c>; after these <c>~</c> for the name of the member, which RFC 9535 lacks.</summary>
internal static class ElementPath
{
    public const string Only = "[*]";
    public const string Name = "~";

    /// <exception cref="ArgumentException">A name has no parts.</exception>
    public static string PointerFor(string pointer, bool takesName) =>
        takesName && pointer.Length > 0 ? throw new ArgumentException($"The name of a member has nothing at '{pointer}'. Leave the pointer empty, or set takesName to false.", nameof(pointer)) : pointer;

    public static string Write(string pointer)
    {
        var path = new StringBuilder();
        foreach (var token in JsonPointer.Tokens(pointer))
        {
            // A pointer does not tell an index from a name made of digits; both are written as the index, and read back as the same token.
            path.Append(IsShorthand(token) ? $".{token}" : IsIndex(token) ? $"[{token}]" : $"[{Quote(token)}]");
        }

        return path.ToString();
    }

    public static string Operand(ValueExpression match) => match switch
    {
        LiteralValue { Value: { ValueKind: JsonValueKind.String } text } => Quote(text.GetString()!),
        LiteralValue literal => literal.Value.GetRawText(),
        // A bracket would end the filter; inside a reference it can stand in a pointer only, which is percent-decoded.
        _ => match.ToString()!.Replace("]", "%5D", StringComparison.Ordinal),
    };

    /// <summary>Reads <c>$list[?@field==operand]rest</c> or <c>$list[*]rest</c>, where the rest may be <c>~</c>.</summary>
    public static ValueExpression Parse(string stepId, string path, string template)
    {
        var at = 1;
        var list = ReadSegments();
        if (string.CompareOrdinal(path, at, Only, 0, Only.Length) == 0)
        {
            at += Only.Length;
            var (inner, name) = ReadRest();
            return new OnlyElementReference(stepId, list, inner, name);
        }

        Expect("[?@");
        var field = ReadSegments();
        Expect("==");
        var match = ReadOperand();
        Expect("]");
        var (pointer, takesName) = ReadRest();
        return new ElementReference(stepId, list, field, match, pointer, takesName);

        (string Pointer, bool TakesName) ReadRest()
        {
            if (path.AsSpan(at) is Name)
            {
                return ("", true);
            }

            var pointer = ReadSegments();
            return at == path.Length ? (pointer, false) : throw Fault();
        }

        string ReadSegments()
        {
            var pointer = "";
            while (at < path.Length)
            {
                if (path[at] == '.')
                {
                    var end = at + 1;
                    while (end < path.Length && IsNameCharacter(path[end], end == at + 1))
                    {
                        end++;
                    }

                    pointer = end > at + 1 ? JsonPointer.Append(pointer, path[(at + 1)..end]) : throw Fault();
                    at = end;
                }
                else if (path[at] == '[' && at + 1 < path.Length && path[at + 1] is not ('?' or '*'))
                {
                    at++;
                    if (path[at] == '\'')
                    {
                        pointer = JsonPointer.Append(pointer, ReadQuoted());
                    }
                    else
                    {
                        var end = path.IndexOf(']', at);
                        pointer = end > at && IsIndex(path[at..end]) ? JsonPointer.Append(pointer, path[at..end]) : throw Fault();
                        at = end;
                    }

                    Expect("]");
                }
                else
                {
                    break;
                }
            }

            return pointer;
        }

        ValueExpression ReadOperand()
        {
            if (at < path.Length && path[at] == '\'')
            {
                return new LiteralValue(Json.String(ReadQuoted()));
            }

            if (path.IndexOf(']', at) is >= 0 and var end)
            {
                var text = path[at..end];
                at = end;
                return text.StartsWith('$') ? ValueExpression.ParseOperand(text, template) : new LiteralValue(TryLiteral(text) ?? throw Fault());
            }

            throw Fault();
        }

        string ReadQuoted()
        {
            var text = new StringBuilder();
            for (at++; at < path.Length && path[at] != '\''; at++)
            {
                if (path[at] == '\\' && ++at >= path.Length)
                {
                    break;
                }

                text.Append(path[at]);
            }

            return at++ < path.Length ? text.ToString() : throw Fault();
        }

        void Expect(string text)
        {
            if (string.CompareOrdinal(path, at, text, 0, text.Length) != 0)
            {
                throw Fault();
            }

            at += text.Length;
        }

        ProcedureFormatException Fault() => ValueExpression.Malformed(template, $"after outputs stands no path such as $.items[?@.name=='lamp'].id, $.variants[?@.color=='red']~ or $.variants[*].price (character {at.ToString(CultureInfo.InvariantCulture)} of it)");
    }

    private static JsonElement? TryLiteral(string text)
    {
        try
        {
            return JsonElement.Parse(text) is { ValueKind: not (JsonValueKind.Object or JsonValueKind.Array or JsonValueKind.String) } value ? value : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Quote(string text) => $"'{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    private static bool IsIndex(string token) => token.Length > 0 && token.All(char.IsAsciiDigit) && (token.Length == 1 || token[0] != '0');

    private static bool IsShorthand(string token) => token.Length > 0 && token.Select((c, i) => IsNameCharacter(c, i == 0)).All(ok => ok);

    private static bool IsNameCharacter(char c, bool first) => char.IsAsciiLetter(c) || c == '_' || (!first && char.IsAsciiDigit(c));
}
