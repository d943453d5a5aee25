using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>Checks what comes in from outside, once, and says everything that is wrong with it.</summary>
internal sealed partial class ProcedureValidator
{
    public const int MaxNameLength = 128;
    public const int MaxTextLength = 16_384;
    public const int MaxTags = 50;

    private readonly ProceduralMemoryOptions _options;
    private readonly List<FormatProblem> _problems = [];

    private ProcedureValidator(ProceduralMemoryOptions options) => _options = options;

    /// <summary>The definition with ids given to steps that had none.</summary>
    /// <exception cref="ProcedureFormatException">It is not valid.</exception>
    public static ProcedureDefinition Check(ProcedureDefinition definition, ProceduralMemoryOptions options)
    {
        ArgumentNullException.ThrowIfNull(definition);
        var validator = new ProcedureValidator(options);
        validator.Name(definition.Name);
        validator.Text("description", definition.Description);
        validator.Text("notes", definition.Notes);
        validator.Tags(definition.Tags);
        validator.Inputs(definition.Inputs);
        var steps = validator.Steps(definition.Steps, definition.Inputs);
        validator.Signatures(definition.Signatures);
        validator.ThrowIfAny();
        return definition with { Name = definition.Name.Trim(), Steps = steps, Signatures = FunctionSignature.Of(steps, definition.Signatures) };
    }

    /// <exception cref="ProcedureFormatException">It is not valid.</exception>
    public static void Check(Capture.RecordingDetails details, ProceduralMemoryOptions options)
    {
        var validator = new ProcedureValidator(options);
        validator.Name(details.Name);
        validator.Text("description", details.Description);
        validator.Text("request", details.Request);
        validator.NamedInputs(details.Inputs);
        validator.Text("notes", details.Notes);
        validator.Tags(details.Tags);
        validator.ThrowIfAny();
    }

    /// <summary>Checks what is said at the end of a recording.</summary>
    /// <exception cref="ProcedureFormatException">It is not valid.</exception>
    public static void CheckEnding(string? notes, IReadOnlyList<string> tags, ProceduralMemoryOptions options)
    {
        var validator = new ProcedureValidator(options);
        validator.Text("notes", notes);
        validator.Tags(tags);
        validator.ThrowIfAny();
    }

    /// <summary>Checks a step that is recorded by hand, and gives its arguments.</summary>
    /// <exception cref="ProcedureFormatException">It is not valid.</exception>
    public static JsonElement CheckRecordedStep(TraceStep step)
    {
        if (string.IsNullOrWhiteSpace(step.Action))
        {
            throw new ProcedureFormatException("action", "The step names no action. Give the function as plugin.function, or say in words what was done.");
        }

        CheckWords(step.Action, step.Outcome, step.Notes, step.Failure?.Message);
        var arguments = Json.OrEmptyObject(step.Arguments);
        if (arguments.ValueKind is not JsonValueKind.Object)
        {
            throw new ProcedureFormatException("arguments", $"The arguments are {Article(Json.TypeOf(arguments))}, not a JSON object. Give them by name, such as {{\"order_id\": \"W123\"}}.");
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            if (arguments.EnumerateObject().Select(a => a.Name).FirstOrDefault(n => !names.Add(n)) is { } twice)
            {
                throw new ProcedureFormatException("arguments", $"The argument '{twice}' stands there twice.");
            }
        }
        catch (InvalidOperationException exception)
        {
            throw new ProcedureFormatException("arguments", "The name of an argument is not valid UTF-16.", exception);
        }

        return arguments;
    }

    /// <exception cref="ProcedureFormatException">A text is too long, or not valid UTF-16.</exception>
    public static void CheckWords(params ReadOnlySpan<string?> texts)
    {
        foreach (var text in texts)
        {
            if (text is not null && (text.Length > MaxTextLength || !Json.IsWellFormed(text)))
            {
                throw new ProcedureFormatException("", Invariant($"A text of the step is longer than {MaxTextLength} characters, or not valid UTF-16."));
            }
        }
    }

    /// <summary>A step id made from an action that no earlier step has: <c>orders.get_order</c> gives <c>get_order</c>, then <c>get_order_2</c>.</summary>
    public static string MakeStepId(string action, ISet<string> taken) => ExpressionName.Make(action[(action.LastIndexOf('.') + 1)..], "step", taken.Add);

    private void Name(string name)
    {
        if (string.IsNullOrWhiteSpace(name))
        {
            Add("name", "The name is empty. Name the skill, for instance deploy_service.");
        }
        else if (name.Length > MaxNameLength)
        {
            Add("name", Invariant($"The name has {name.Length} characters; {MaxNameLength} are the most. Put the detail into the description."));
        }
        else if (!Json.IsWellFormed(name) || ModelText.HasHidden(name))
        {
            Add("name", "The name holds control characters or marks of direction, or is not valid UTF-16. Use letters, digits, spaces and punctuation.");
        }
    }

    private void Text(string path, string? text)
    {
        if (text is not null && text.Length > MaxTextLength)
        {
            Add(path, Invariant($"The text has {text.Length} characters; {MaxTextLength} are the most."));
        }
        else if (text is not null && !Json.IsWellFormed(text))
        {
            Add(path, "The text is not valid UTF-16: it holds half of a surrogate pair.");
        }
    }

    private void Tags(IReadOnlyList<string>? tags)
    {
        if (tags is null || tags.Count > MaxTags || tags.Any(t => string.IsNullOrWhiteSpace(t) || t.Length > MaxNameLength || !Json.IsWellFormed(t) || ModelText.HasHidden(t)))
        {
            Add("tags", Invariant($"There are at most {MaxTags} tags, none of them empty, longer than {MaxNameLength} characters, or with control characters or marks of direction."));
        }
    }

    private void NamedInputs(IReadOnlyDictionary<string, JsonElement>? inputs)
    {
        foreach (var (name, value) in inputs ?? new Dictionary<string, JsonElement>())
        {
            if (!ValueExpression.IsName(name))
            {
                Add("inputs", $"'{name}' is no name for an input: a letter or _, then letters, digits, _ and -.");
            }

            Value($"inputs.{name}", value, _options.MaxValueDepth);
        }
    }

    private void Inputs(IReadOnlyList<ProcedureInput>? inputs)
    {
        if (inputs is null)
        {
            Add("inputs", "The list of inputs is null. Leave it out, or give an empty one.");
            return;
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < inputs.Count; i++)
        {
            var path = Invariant($"inputs[{i}]");
            var input = inputs[i];
            if (input is null || !ValueExpression.IsName(input.Name))
            {
                Add(path, $"'{input?.Name}' is no name for an input: a letter or _, then letters, digits, _ and -.");
                continue;
            }

            if (input.Name.Length > MaxNameLength)
            {
                Add(path, Invariant($"The name of an input has {input.Name.Length} characters; {MaxNameLength} are the most."));
            }

            if (!names.Add(input.Name))
            {
                Add(path, $"There is more than one input '{input.Name}'.");
            }

            Text($"{path}.description", input.Description);
            if (input.Default is { } value)
            {
                if (input.Secret)
                {
                    Add($"{path}.default", $"The input '{input.Name}' is secret: it can have no default, since that would be stored.");
                }

                Value($"{path}.default", value, _options.MaxValueDepth);
            }

            Text($"{path}.format", input.Format);
            foreach (var allowed in input.AllowedValues ?? [])
            {
                Value($"{path}.allowedValues", allowed, _options.MaxValueDepth);
            }

            foreach (var example in input.Examples ?? [])
            {
                Value($"{path}.examples", example, _options.MaxValueDepth);
            }
        }
    }

    private List<ProcedureStep> Steps(IReadOnlyList<ProcedureStep>? steps, IReadOnlyList<ProcedureInput>? inputs)
    {
        var result = new List<ProcedureStep>();
        if (steps is null || steps.Count == 0)
        {
            Add("steps", "There are no steps. A procedure has at least one.");
            return result;
        }

        if (steps.Where(s => s is not null).Sum(s => s.WithInner().Count()) > _options.MaxSteps)
        {
            Add("steps", Invariant($"There are {steps.Count} steps; {nameof(ProceduralMemoryOptions.MaxSteps)} allows {_options.MaxSteps}. Split the task into procedures that replay each other."));
            return result;
        }

        var inputNames = (inputs ?? []).Where(i => i is not null).Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
        var given = steps.Where(s => s is not null).SelectMany(s => s.WithInner()).Where(s => !string.IsNullOrEmpty(s.Id)).Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        return Steps("steps", steps, inputNames, given, new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal), isLoop: false);
    }

    /// <param name="list">Where the steps stand.</param>
    /// <param name="steps">The steps.</param>
    /// <param name="inputNames">The declared inputs.</param>
    /// <param name="given">The ids that steps came with, and those made meanwhile.</param>
    /// <param name="ids">The ids of the steps before these, those in loops included.</param>
    /// <param name="visible">Those of them whose results can be referred to: what a loop did is known outside as the result of the loop.</param>
    /// <param name="isLoop">Whether these are the steps of a loop.</param>
    private List<ProcedureStep> Steps(
        string list, IReadOnlyList<ProcedureStep> steps, HashSet<string> inputNames, HashSet<string> given, HashSet<string> ids, HashSet<string> visible, bool isLoop)
    {
        var result = new List<ProcedureStep>();
        for (var i = 0; i < steps.Count; i++)
        {
            var path = Invariant($"{list}[{i}]");
            var step = steps[i];
            if (step is null || string.IsNullOrWhiteSpace(step.Action))
            {
                Add(path, "The step has no action. Give the function as plugin.function, the name of a procedure, or for a loop what it does.");
                continue;
            }

            var arguments = Json.OrEmptyObject(step.Arguments);
            step = step with { Arguments = arguments, Id = string.IsNullOrEmpty(step.Id) ? MakeStepId(step.Action, given) : step.Id };
            Text($"{path}.action", step.Action);
            if (step.Kind is StepKind.Function or StepKind.Procedure && ModelText.HasHidden(step.Action))
            {
                Add($"{path}.action", "The action holds control characters or marks of direction. Give the function as plugin.function, or the name of a procedure.");
            }

            Text($"{path}.notes", step.Notes);
            foreach (var flag in step.Flags ?? [])
            {
                Text($"{path}.flags", flag);
            }

            if (!ValueExpression.IsName(step.Id))
            {
                Add($"{path}.id", $"'{step.Id}' is no id for a step: a letter or _, then letters, digits, _ and -.");
            }

            if (arguments.ValueKind is not JsonValueKind.Object)
            {
                Add($"{path}.arguments", $"The arguments are {Article(Json.TypeOf(arguments))}, not a JSON object. Give them by name, such as {{\"order_id\": \"$inputs.order_id\"}}.");
            }
            else if (ArgumentsOf($"{path}.arguments", arguments))
            {
                References($"{path}.arguments", () => ValueExpression.References(arguments), inputNames, visible, isLoop);
            }

            if (step.Condition is { } condition)
            {
                Condition($"{path}.condition", condition, inputNames, visible, isLoop);
            }

            ExpectationOf(path, step.Expectation);
            CallingOf(path, step);
            if (!ids.Add(step.Id))
            {
                Add($"{path}.id", $"There is more than one step '{step.Id}'. Ids tell steps apart in expressions.");
            }

            step = Loop(path, step, inputNames, given, ids, visible, isLoop);
            visible.Add(step.Id);

            result.Add(step);
        }

        return result;
    }

    private void CallingOf(string path, ProcedureStep step)
    {
        foreach (var (member, fault) in Replay.ReplayPolicies.Faults(step.Retry, step.Timeout))
        {
            Add($"{path}.{member}", fault);
        }

        if (step.Kind is not StepKind.Function && (step.Retry is not null || step.Timeout is not null))
        {
            Add(path, "Only the call of a function has retry and timeout. Set them for the steps inside.");
        }

        if (step.Version is { } version && (step.Kind is not StepKind.Procedure || version < 1))
        {
            Add($"{path}.version", step.Kind is StepKind.Procedure ? $"{Invariant($"{version}")} is no version: they begin with 1." : "Only a step that replays a procedure names its version.");
        }
    }

    private ProcedureStep Loop(string path, ProcedureStep step, HashSet<string> inputNames, HashSet<string> given, HashSet<string> ids, HashSet<string> visible, bool isLoop)
    {
        if (step.Kind is not StepKind.Loop)
        {
            if (step.ForEach is not null || step.Steps is { Count: > 0 })
            {
                Add(path, "Only a step of kind 'loop' has forEach and steps. Set its kind.");
            }

            return step with { Steps = [] };
        }

        if (isLoop)
        {
            Add(path, "A loop stands inside a loop. Make a procedure of the inner one, and replay that.");
        }
        else if (string.IsNullOrEmpty(step.ForEach) || step.Steps is null or { Count: 0 } || step.Steps.Any(s => s is null))
        {
            Add(path, "A loop needs forEach, such as $steps.get_order.outputs#/items, and at least one step in steps.");
        }
        else if (step.Arguments.EnumerateObject().Any())
        {
            Add($"{path}.arguments", "A loop takes no arguments: its steps do.");
        }
        else
        {
            References($"{path}.forEach", () => ValueExpression.Parse(step.ForEach) is LiteralText text ? throw ValueExpression.Malformed(text.Text, "a loop goes through a list that an expression leads to") : ValueExpression.Parse(step.ForEach).References(), inputNames, visible, isLoop);
            return step with { Steps = Steps($"{path}.steps", step.Steps, inputNames, given, ids, [.. visible], isLoop: true) };
        }

        return step;
    }

    private void Condition(string path, StepCondition condition, HashSet<string> inputNames, HashSet<string> visible, bool isLoop)
    {
        if (string.IsNullOrEmpty(condition.Value))
        {
            Add(path, "The condition has no value. Give an expression, such as $inputs.gift_wrap.");
            return;
        }

        References(path, () => ValueExpression.Parse(condition.Value).References(), inputNames, visible, isLoop);
        if (condition.Test is ConditionTest.Equal or ConditionTest.NotEqual && condition.Operand is null)
        {
            Add(path, "A condition of test 'equal' or 'notEqual' has an operand to compare with.");
        }
        else if (condition.Operand is { } operand)
        {
            Value($"{path}.operand", operand, _options.MaxValueDepth);
        }
    }

    private void References(string path, Func<IEnumerable<ValueExpression>> references, HashSet<string> inputNames, HashSet<string> earlierSteps, bool isLoop)
    {
        try
        {
            foreach (var reference in references())
            {
                switch (reference)
                {
                    case ItemReference when !isLoop:
                        Add(path, $"'{reference}' stands outside a loop. Only the steps of a loop have an element.");
                        break;
                    case InputReference input when !inputNames.Contains(input.Name):
                        Add(path, $"'{reference}' refers to an input that is not declared. Add '{input.Name}' to the inputs.");
                        break;
                    case StepReference step when !earlierSteps.Contains(step.StepId):
                        Add(path, $"'{reference}' refers to no earlier step. A step can use the results of the steps before it only.");
                        break;
                }
            }
        }
        catch (ProcedureFormatException exception)
        {
            Add(path, exception.Message);
        }
    }

    private void ExpectationOf(string path, Expectation? expectation)
    {
        if (expectation is null)
        {
            return;
        }

        // A shape says of each level of a value what its members are, one level further down.
        var depth = expectation.Kind is ExpectationKind.Shape ? Math.Min(2 * _options.MaxValueDepth + 1, Json.MaxDepth) : _options.MaxValueDepth;
        path = $"{path}.expectation";
        Text($"{path}.description", expectation.Description);
        if (ExpectationRules.MissingValue(expectation) is { } missing)
        {
            Add($"{path}.value", missing);
        }

        if (expectation.Value.ValueKind is JsonValueKind.Undefined || Value($"{path}.value", expectation.Value, depth))
        {
            ExpectationRules.Faults(expectation).ForEach(fault => Add(path, fault));
        }
    }

    /// <summary>Checks arguments as they are captured: each is a value with limits of its own, however many there are.</summary>
    private bool ArgumentsOf(string path, JsonElement arguments)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var valid = true;
        foreach (var argument in arguments.EnumerateObject())
        {
            valid &= Name(argument) && Value(path, argument.Value, _options.MaxValueDepth);
        }

        return valid;

        bool Name(JsonProperty argument)
        {
            try
            {
                if (names.Add(argument.Name))
                {
                    return true;
                }

                Add(path, $"The member '{argument.Name}' stands there twice.");
            }
            catch (InvalidOperationException)
            {
                Add(path, "The name of an argument is not valid UTF-16: it holds half of a surrogate pair.");
            }

            return false;
        }
    }

    /// <summary>Checks size, depth and text of a value.</summary>
    private bool Value(string path, JsonElement value, int depth)
    {
        if (value.ValueKind is JsonValueKind.Undefined)
        {
            Add(path, "The value is missing.");
            return false;
        }

        var bytes = Json.LengthOf(value);
        if (bytes > _options.MaxValueBytes)
        {
            Add(path, Invariant($"The value has {bytes} bytes; {nameof(ProceduralMemoryOptions.MaxValueBytes)} allows {_options.MaxValueBytes}. Store a reference to it instead."));
            return false;
        }

        if (Json.Fault(value, depth, uniqueNames: true) is { } fault)
        {
            Add(path, $"The value cannot be kept: {fault}.");
            return false;
        }

        return true;
    }

    private void Add(string path, string message) => _problems.Add(new FormatProblem(path, message));

    private void ThrowIfAny()
    {
        if (_problems.Count > 0)
        {
            throw new ProcedureFormatException(_problems);
        }
    }

    private static string Article(JsonType type) => type switch
    {
        JsonType.Null => "null",
        JsonType.Integer or JsonType.Object or JsonType.Array => $"an {Json.Word(type)}",
        _ => $"a {Json.Word(type)}",
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
