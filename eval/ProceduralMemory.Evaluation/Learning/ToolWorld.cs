using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Evaluation.Learning;

/// <summary>
/// The tools of the simulation. Whether a call fails by chance is drawn from the seed, the task, the tool and which call of it this is in the task: so it is the same whoever calls it. Time is the simulation's own: each call
/// takes as long as it is said to.
/// </summary>
internal sealed class ToolWorld(IReadOnlyList<TaskType> types, int tasks, int seed, FakeTimeProvider time) : IStepExecutor
{
    private const double ChanceOfFault = 0.01;
    private const double ChanceOfNoise = 0.7;
    private const double OutageShare = 0.05;
    private static readonly TimeSpan Usual = TimeSpan.FromMilliseconds(200);
    private readonly Dictionary<string, int> _calls = new(StringComparer.Ordinal);
    private readonly List<string> _effects = [];
    private SimulatedTask _task = null!;

    /// <summary>What was done to the world in this task, one line each.</summary>
    public IReadOnlyList<string> Effects => _effects;

    /// <summary>The amount that was reported last in this task, by a type that changes nothing.</summary>
    public string? Reported { get; private set; }

    /// <summary>When the event of a type comes: between a third and a half of the run.</summary>
    public int EventAt(TaskType type) => (tasks / 3) + (int)(Draw("event", type.Number) * tasks / 6);

    public SimulatedTask TaskAt(int index)
    {
        var type = types[(int)(Draw("type", index) * types.Count)];
        return new SimulatedTask(
            index,
            type,
            string.Create(CultureInfo.InvariantCulture, $"ORD-{100000 + index}"),
            string.Create(CultureInfo.InvariantCulture, $"CUS-{(int)(Draw("customer", index) * 900000) + 100000}"),
            1000 + (int)(Draw("total", index) * 9000),
            Draw("blocked", index) < type.BlockedShare);
    }

    public void Begin(SimulatedTask task)
    {
        _task = task;
        _calls.Clear();
        _effects.Clear();
        Reported = null;
    }

    /// <summary>A number from 0 to 1 that only the seed and the names decide.</summary>
    public double Draw(string what, int number) => Chance.Of(seed, what, number);

    public bool Has(TaskType type, ToolEvent happened) => type.Event == happened && _task.Index >= EventAt(type) && (happened is not ToolEvent.Outage || _task.Index < EventAt(type) + (tasks * OutageShare));

    /// <summary>How a parameter is called now.</summary>
    public string Parameter(TaskType type, string tool, string name) => type.HitTool == tool && name is "order" or "amount" && Has(type, ToolEvent.Renames) ? $"{name}_value" : name;

    public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<ReplayProblem>>([]);

    public FunctionDescription? Describe(string action)
    {
        var (type, tool) = Of(action);
        return new FunctionDescription { Effect = EffectOf(type, tool), Parameters = ParametersOf(type, tool) };
    }

    public StepEffect EffectOf(TaskType type, string tool) => tool is TaskType.Apply or TaskType.Post && type.Writes ? StepEffect.Write : StepEffect.Read;

    public JsonElement ParametersOf(TaskType type, string tool)
    {
        string[] names = tool switch
        {
            TaskType.Find => ["order"],
            TaskType.Search => ["reference"],
            TaskType.Check => ["customer"],
            TaskType.Log => ["text"],
            TaskType.Apply => ["customer", "amount"],
            _ => ["client", "sum"],
        };
        names = [.. names.Select(n => Parameter(type, tool, n))];
        return JsonSerializer.SerializeToElement(new { type = "object", properties = names.ToDictionary(n => n, n => new { type = n.StartsWith("amount", StringComparison.Ordinal) || n == "sum" ? "integer" : "string" }), required = names });
    }

    public Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default) => Task.FromResult(Call(call.Action, call.Arguments));

    /// <summary>Makes a call.</summary>
    public StepCallResult Call(string action, JsonElement arguments)
    {
        var (type, tool) = Of(action);
        var number = _calls[action] = _calls.GetValueOrDefault(action) + 1;
        time.Advance(tool == type.HitTool && Has(type, ToolEvent.Slows) ? Usual * 40 : Usual);
        if (tool == type.HitTool && (Has(type, ToolEvent.Breaks) || Has(type, ToolEvent.Outage)))
        {
            return Failed("Unavailable", $"{action} is out of service.");
        }

        if (Draw($"{action} {number.ToString(CultureInfo.InvariantCulture)}", _task.Index) < (tool is TaskType.Log ? ChanceOfNoise : ChanceOfFault))
        {
            return Failed("Fault", $"{action} had a fault.");
        }

        string Argument(string name) => arguments.TryGetProperty(Parameter(type, tool, name), out var value) ? value.ToString() : "";
        switch (tool)
        {
            case TaskType.Find:
                return Argument("order") == _task.Order ? Gives(new { customer = _task.Customer, total = _task.Total }) : Failed("NotFound", "There is no such order.");
            case TaskType.Search:
                return Argument("reference") == _task.Order ? Gives(new { person = _task.Customer, sum_due = _task.Total }) : Failed("NotFound", "There is no such order.");
            case TaskType.Check:
                return Argument("customer") != _task.Customer ? Failed("NotFound", "There is no such customer.") : _task.IsBlocked ? Failed("Blocked", "The customer must not be served.") : Gives(new { allowed = true });
            case TaskType.Log:
                return Gives(new { logged = true });
            default:
                var (customer, amount) = tool is TaskType.Apply ? (Argument("customer"), Argument("amount")) : (Argument("client"), Argument("sum"));
                if (type.Writes)
                {
                    _effects.Add($"{customer} {amount}");
                }
                else
                {
                    Reported = $"{customer} {amount}";
                }

                return Gives(new { receipt = $"R-{_task.Order}" });
        }
    }

    /// <summary>Whether the world is as the task asks for.</summary>
    public bool IsDone()
    {
        var wanted = string.Create(CultureInfo.InvariantCulture, $"{_task.Customer} {_task.Total}");
        return _task switch
        {
            { IsBlocked: true } => _effects.Count == 0 && (_task.Type.Writes || Reported is null),
            { Type.Writes: true } => _effects is [var only] && only == wanted,
            _ => Reported == wanted,
        };
    }

    /// <summary>How many things were done that should not have been.</summary>
    public int WrongEffects()
    {
        var wanted = _task.IsBlocked ? 0 : _effects.Count(e => e == string.Create(CultureInfo.InvariantCulture, $"{_task.Customer} {_task.Total}"));
        return _effects.Count - Math.Min(1, wanted);
    }

    private (TaskType Type, string Tool) Of(string action)
    {
        var dot = action.IndexOf('.', StringComparison.Ordinal);
        return (types[int.Parse(action.AsSpan(4, dot - 4), CultureInfo.InvariantCulture)], action[(dot + 1)..]);
    }

    private static StepCallResult Gives(object value) => new() { Result = JsonSerializer.SerializeToElement(value) };

    private static StepCallResult Failed(string type, string message) => new() { Failure = new StepFailure(type, message) };
}
