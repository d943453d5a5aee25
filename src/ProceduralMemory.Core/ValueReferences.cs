using System.Text;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>A text that stands for itself.</summary>
/// <param name="Text">The text.</param>
public sealed record LiteralText(string Text) : ValueExpression
{
    /// <inheritdoc/>
    public override IEnumerable<ValueExpression> References() => [];

    /// <inheritdoc/>
    public override string ToString() => Escape(Text);

    internal override JsonElement Evaluate(IExpressionContext context) => Json.String(Text);
}

/// <summary>An input of the procedure, or a part of it.</summary>
/// <param name="Name">The input's name.</param>
/// <param name="Pointer">A JSON Pointer into its value; empty for the whole.</param>
public sealed record InputReference(string Name, string Pointer = "") : ValueExpression
{
    /// <inheritdoc/>
    public override string ToString() => $"$inputs.{Name}{Fragment(Pointer)}";

    internal override JsonElement Evaluate(IExpressionContext context) => Follow(context.Input(Name), Pointer, $"the input '{Name}'");
}

/// <summary>The result of an earlier step, or a part of it.</summary>
/// <param name="StepId">The step's id.</param>
/// <param name="Pointer">A JSON Pointer into its result; empty for the whole.</param>
public sealed record StepReference(string StepId, string Pointer = "") : ValueExpression
{
    /// <inheritdoc/>
    public override string ToString() => $"$steps.{StepId}{Outputs}{Fragment(Pointer)}";

    internal override JsonElement Evaluate(IExpressionContext context) => Follow(context.Output(StepId), Pointer, $"the result of step '{StepId}'");
}

/// <summary>In a loop, the element that it is at, or a part of it.</summary>
/// <param name="Pointer">A JSON Pointer into the element; empty for the whole.</param>
public sealed record ItemReference(string Pointer = "") : ValueExpression
{
    /// <inheritdoc/>
    public override string ToString() => $"$item{Fragment(Pointer)}";

    internal override JsonElement Evaluate(IExpressionContext context) => Follow(context.Item, Pointer, "the element of the loop");
}

/// <summary>A value converted to another type or spelling.</summary>
/// <param name="Source">The value: a reference, or a reference already converted.</param>
/// <param name="Conversion">What is done to it.</param>
public sealed record ConvertedValue(ValueExpression Source, ValueConversion Conversion) : ValueExpression
{
    /// <inheritdoc/>
    public override IEnumerable<ValueExpression> References() => Source.References();

    /// <inheritdoc/>
    public override string ToString() => $"{Source}|{Conversion}";

    internal override JsonElement Evaluate(IExpressionContext context)
    {
        var value = Source.Evaluate(context);
        return Conversion.Apply(value)
            ?? throw new UnresolvedBindingException($"{this} has no value: {Json.Word(Json.TypeOf(value))} {(value.ValueKind is JsonValueKind.String ? "text of that form " : "")}cannot be converted by '{Conversion}'. Give the argument as an adapted parameter.");
    }
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

    internal override JsonElement Evaluate(IExpressionContext context) =>
        Json.String(string.Concat(Parts.Select(part => part is LiteralText literal ? literal.Text : AsText(part.Evaluate(context)))));
}
