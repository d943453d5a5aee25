using System.Text.RegularExpressions;

namespace ProceduralMemory.Recall;

/// <summary>What is searched of a procedure: stems with blanks between them, values marked. A store keeps it beside the procedure, and needs not understand it.</summary>
public sealed partial record SearchDocument
{
    /// <summary>The most wordings of one procedure that are searched.</summary>
    public const int MaxWordings = 20;

    /// <summary>The words of the name.</summary>
    public required string Name { get; init; }

    /// <summary>The words of the description.</summary>
    public required string Description { get; init; }

    /// <summary>The words of the labels.</summary>
    public required string Tags { get; init; }

    /// <summary>The words of the requests that led to the procedure, one request a line.</summary>
    public required string Requests { get; init; }

    /// <summary>The words of <see cref="Actions"/>, one action a line, then those of what a person does.</summary>
    public required string ActionWords { get; init; }

    /// <summary>The words of the names of the inputs.</summary>
    public required string InputWords { get; init; }

    /// <summary>The functions and procedures that are called, each once.</summary>
    public required IReadOnlyList<string> Actions { get; init; }

    /// <summary>Those of the actions that are functions.</summary>
    public required IReadOnlyList<string> Functions { get; init; }

    /// <summary>The inputs that a replay must be given.</summary>
    public required IReadOnlyList<string> RequiredInputs { get; init; }

    /// <summary>Analyses a procedure.</summary>
    /// <param name="procedure">The procedure at the version that is searched.</param>
    /// <param name="requests">Requests that led to it, the latest first; more than <see cref="MaxWordings"/> are left out.</param>
    public static SearchDocument Of(Procedure procedure, IEnumerable<string> requests)
    {
        ArgumentNullException.ThrowIfNull(procedure);
        ArgumentNullException.ThrowIfNull(requests);
        var steps = procedure.Version.Steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is not StepKind.Loop).ToList();
        var actions = steps.Where(s => s.Kind is not StepKind.Manual).Select(s => s.Action).Distinct(StringComparer.Ordinal).ToList();
        var manual = steps.Where(s => s.Kind is StepKind.Manual).Select(s => s.Action).Distinct(StringComparer.Ordinal);
        return new SearchDocument
        {
            Name = Words(procedure.Name, isName: true, withLetters: true),
            Description = Words(procedure.Description, withLetters: true),
            Tags = Words(string.Join(' ', procedure.Tags), isName: true, withLetters: true),
            Requests = string.Join('\n', requests.Select(r => Words(r, withLetters: true)).Where(r => r.Length > 0).Distinct(StringComparer.Ordinal).Take(MaxWordings)),
            ActionWords = string.Join('\n', actions.Concat(manual).Select(a => Words(a, isName: true))),
            InputWords = Words(string.Join(' ', procedure.Version.Inputs.Select(i => i.Name)), isName: true),
            Actions = actions,
            Functions = [.. steps.Where(s => s.Kind is StepKind.Function).Select(s => s.Action).Distinct(StringComparer.Ordinal)],
            RequiredInputs = [.. procedure.Version.Inputs.Where(MustBeGiven).Select(i => i.Name)],
        };
    }

    /// <summary>Whether a replay is refused where an input is not given.</summary>
    internal static bool MustBeGiven(ProcedureInput input) => input.Unconfirmed || (input.Required && input.Default is null);

    /// <summary>What of a request makes it another wording: its words without the values of the task.</summary>
    /// <param name="request">The request, redacted.</param>
    public static string WordingOf(string request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return TextAnalyzer.Stored(TextAnalyzer.Analyze(request).Where(w => w.Weight >= 1));
    }

    /// <summary>What a vector is made from.</summary>
    internal static string SplitActions(IEnumerable<string> actions) =>
        string.Join(' ', actions.Select(a => Hump().Replace(a.Replace('_', ' ').Replace('-', ' '), " ")));

    private static string Words(string text, bool isName = false, bool withLetters = false) => TextAnalyzer.Stored(TextAnalyzer.Analyze(text, isName, withLetters));

    [GeneratedRegex("(?<=[a-z0-9])(?=[A-Z])", RegexOptions.CultureInvariant)]
    private static partial Regex Hump();
}
