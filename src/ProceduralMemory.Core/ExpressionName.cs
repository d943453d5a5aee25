using System.Globalization;

namespace ProceduralMemory;

/// <summary>Makes names that can stand in an expression, for steps and inputs.</summary>
internal static class ExpressionName
{
    private const int MaxLength = 60;

    /// <summary>A name made of any text that none before has: <c>get_order</c>, then <c>get_order_2</c>.</summary>
    /// <param name="text">The text; characters that no name can have become <c>_</c>.</param>
    /// <param name="kind">What goes before it where it cannot begin a name: <c>step</c> makes <c>step_2nd_try</c> of <c>2nd try</c>.</param>
    /// <param name="tryTake">Takes a name, if it is free.</param>
    public static string Make(string text, string kind, Func<string, bool> tryTake)
    {
        var stem = string.Concat(text.Select(c => char.IsLetterOrDigit(c) || c is '_' or '-' ? c : '_'));
        if (!ValueExpression.IsName(stem))
        {
            stem = $"{kind}_{stem.TrimStart('-')}";
        }

        stem = (stem.Length > MaxLength ? stem[..MaxLength] : stem).TrimEnd('_') is { Length: > 0 } trimmed ? trimmed : kind;
        var name = stem;
        for (var n = 2; !tryTake(name); n++)
        {
            name = string.Create(CultureInfo.InvariantCulture, $"{stem}_{n}");
        }

        return name;
    }
}
