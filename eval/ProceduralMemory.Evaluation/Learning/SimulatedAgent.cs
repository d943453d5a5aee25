using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Evaluation.Learning;

/// <summary>What the memory does with what it sees.</summary>
internal enum LearningArm
{
    /// <summary>There is no memory: each task is reasoned from scratch.</summary>
    NoMemory,

    /// <summary>What was recorded first is replayed for ever.</summary>
    Off,

    /// <summary>What cannot be replayed is recorded anew, and the seed's optimiser changes versions in place.</summary>
    Seed,

    /// <summary>The library as it is.</summary>
    On,
}

/// <summary>How one task went.</summary>
/// <param name="Task">The task.</param>
/// <param name="IsDone">Whether the world is as the task asked for.</param>
/// <param name="Alone">Whether a replay did it without help; a replay that a check ended did, where it had to.</param>
/// <param name="ModelCalls">Calls of a model.</param>
/// <param name="Duration">How long it took, in the simulation's time.</param>
/// <param name="WrongEffects">What was done that should not have been.</param>
internal sealed record TaskRecord(SimulatedTask Task, bool IsDone, bool Alone, int ModelCalls, TimeSpan Duration, int WrongEffects);

/// <summary>
/// An agent that does tasks: it replays what it knows, mends a replay that stopped, and reasons where nothing can be replayed. It sees what a tool is called now and what it takes, and it does not always do the right thing.
/// </summary>
internal sealed class SimulatedAgent(LearningArm arm, ProcedureMemory memory, ToolWorld world, FakeTimeProvider time)
{
    private const double ChanceOfMistake = 0.02;
    private const int MaxHelps = 3;
    private static readonly TimeSpan OneModelCall = TimeSpan.FromSeconds(3);
    private int _modelCalls;

    public async Task<TaskRecord> DoAsync(SimulatedTask task, CancellationToken cancellationToken)
    {
        var begun = time.GetUtcNow();
        _modelCalls = 0;
        world.Begin(task);
        var alone = arm is not LearningArm.NoMemory && await IsKnownAsync(task.Type, cancellationToken) && await ReplayAsync(task, cancellationToken) is var replayed
            ? replayed ?? await ReasonedAsync(task, cancellationToken)
            : await ReasonedAsync(task, cancellationToken);
        return new TaskRecord(task, world.IsDone(), alone, _modelCalls, time.GetUtcNow() - begun, world.WrongEffects());
    }

    private async Task<bool> IsKnownAsync(TaskType type, CancellationToken cancellationToken) =>
        (await memory.ListAsync(cancellationToken: cancellationToken)).Any(p => p.Name == type.Name);

    /// <summary>Whether it was done without help; <see langword="null"/> where it was not begun.</summary>
    private async Task<bool?> ReplayAsync(SimulatedTask task, CancellationToken cancellationToken)
    {
        Think(1);
        var request = ReplayRequest.For(new { order = task.Order }) with { Request = $"Do {task.Type.Name} for {task.Order}" };
        var result = await memory.ReplayAsync(world, task.Type.Name, request, cancellationToken);
        if (result.Problems.Any(p => p.Code == ReplayProblemCodes.ApprovalPending))
        {
            // The person who is asked looks at it, and it is right.
            await memory.ApproveAsync(task.Type.Name, result.Version, by: "reviewer", cancellationToken);
            result = await memory.ReplayAsync(world, task.Type.Name, request, cancellationToken);
        }

        if (result.Outcome is ReplayOutcome.Refused)
        {
            return null;
        }

        var alone = true;
        for (var helps = 0; result.Outcome is not ReplayOutcome.Completed; helps++)
        {
            if (result.Steps.Where(s => s.Status is StepStatus.Failed).All(s => s.Action.EndsWith($".{TaskType.Log}", StringComparison.Ordinal)) && !result.Steps.Any(s => s.Status is StepStatus.Pending))
            {
                // Nothing but the needless call failed, and all else is done.
                return alone;
            }

            var failed = result.Steps.First(s => s.Status is StepStatus.Failed);
            var tool = failed.Action[(failed.Action.IndexOf('.', StringComparison.Ordinal) + 1)..];
            if (tool is TaskType.Check && task.IsBlocked)
            {
                // It is what the check is there for.
                return alone;
            }

            if (helps == MaxHelps)
            {
                return false;
            }

            alone = false;
            Think(2);
            var resume = tool is TaskType.Log ? new ResumeRequest { Skip = [failed.StepId] }
                : tool == task.Type.HitTool && world.Has(task.Type, ToolEvent.Breaks) ? await RepairAsync(task, failed, cancellationToken)
                : new ResumeRequest();
            result = await memory.ResumeAsync(world, result.ExecutionId!.Value, resume, cancellationToken);
        }

        return alone;
    }

    /// <summary>Does a step by the tool that does the same, and tells what it gave.</summary>
    private async Task<ResumeRequest> RepairAsync(SimulatedTask task, StepOutcome failed, CancellationToken cancellationToken)
    {
        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = $"repair of {task.Type.Name}" }, cancellationToken: cancellationToken);
        var (_, told) = await CallAsync(recorder, task, task.Type.HitsWrite ? TaskType.Post : TaskType.Search, task.Customer, task.Total, cancellationToken);
        await recorder.AbandonAsync(cancellationToken);
        return told is { } result
            ? new ResumeRequest { Results = new Dictionary<string, JsonElement> { [failed.StepId] = result }, RepairTraceId = recorder.TraceId }
            : new ResumeRequest();
    }

    private async Task<bool> ReasonedAsync(SimulatedTask task, CancellationToken cancellationToken)
    {
        var type = task.Type;
        var records = arm is LearningArm.On or LearningArm.Seed || (arm is LearningArm.Off && !await IsKnownAsync(type, cancellationToken));
        var recorder = records
            ? await memory.StartRecordingAsync(
                new RecordingDetails
                {
                    Name = type.Name,
                    Description = $"Looks up an order and {(type.Writes ? "refunds" : "reports")} it",
                    Request = $"Do {type.Name} for {task.Order}",
                    Inputs = new Dictionary<string, JsonElement> { ["order"] = JsonSerializer.SerializeToElement(task.Order) },
                },
                cancellationToken: cancellationToken)
            : null;
        var (customer, total, isMistaken) = ("", 0, world.Draw("mistake", task.Index) < ChanceOfMistake);
        var isComplete = true;
        foreach (var tool in type.Calls())
        {
            var amount = isMistaken && tool is TaskType.Apply ? total + 1 : total;
            var (ok, given) = await TryAsync(recorder, task, tool, customer, amount, cancellationToken);
            if (!ok && tool is not TaskType.Log)
            {
                isComplete = false;
                break;
            }

            if (tool is TaskType.Find)
            {
                (customer, total) = (given!.Value.GetProperty("customer").GetString()!, given.Value.GetProperty("total").GetInt32());
            }
        }

        Think(1);
        if (recorder is not null)
        {
            // A task that a check ended, or that could not be done, teaches nothing.
            if (isComplete)
            {
                var learned = await recorder.FinalizeAsync(cancellationToken: cancellationToken);
                if (type.NoiseMayFail && learned.Procedure?.Version is { } version && version.Steps.Any(IsStrictNoise))
                {
                    // A person who looks at it says of the needless call that it may fail.
                    await memory.StoreAsync(
                        new ProcedureDefinition { Name = type.Name, Description = learned.Procedure.Description, Inputs = version.Inputs, Steps = [.. version.Steps.Select(s => IsStrictNoise(s) ? s with { OnFailure = FailurePolicy.Continue } : s)], Signatures = version.Signatures },
                        asNewVersion: true,
                        cancellationToken: cancellationToken);
                }
            }
            else
            {
                await recorder.AbandonAsync(cancellationToken);
            }
        }

        return false;
    }

    /// <summary>Calls a tool, once more after a fault, and then the one that does the same.</summary>
    private async Task<(bool Ok, JsonElement? Result)> TryAsync(ProcedureRecorder? recorder, SimulatedTask task, string tool, string customer, int total, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < 2; attempt++)
        {
            Think(1);
            if (await CallAsync(recorder, task, tool, customer, total, cancellationToken) is { Ok: true } given)
            {
                return given;
            }

            if (tool is TaskType.Log || (tool is TaskType.Check && task.IsBlocked))
            {
                return (false, null);
            }
        }

        if (tool != task.Type.HitTool || !world.Has(task.Type, ToolEvent.Breaks))
        {
            return (false, null);
        }

        Think(1);
        return await CallAsync(recorder, task, tool is TaskType.Find ? TaskType.Search : TaskType.Post, customer, total, cancellationToken);
    }

    /// <summary>Makes a call as the tool takes it now. The result of the tool that does the same is told in the words of the one that it stands for.</summary>
    private async Task<(bool Ok, JsonElement? Result)> CallAsync(ProcedureRecorder? recorder, SimulatedTask task, string tool, string customer, int total, CancellationToken cancellationToken)
    {
        var (type, begun) = (task.Type, time.GetUtcNow());
        string Named(string name) => world.Parameter(type, tool, name);
        var arguments = JsonSerializer.SerializeToElement(tool switch
        {
            TaskType.Find => new Dictionary<string, object> { [Named("order")] = task.Order },
            TaskType.Search => new Dictionary<string, object> { ["reference"] = task.Order },
            TaskType.Check => new Dictionary<string, object> { ["customer"] = customer },
            TaskType.Log => new Dictionary<string, object> { ["text"] = string.Create(CultureInfo.InvariantCulture, $"{type.Name} for {customer}") },
            TaskType.Apply => new Dictionary<string, object> { [Named("customer")] = customer, [Named("amount")] = total },
            _ => new Dictionary<string, object> { ["client"] = customer, ["sum"] = total },
        });
        var given = world.Call(type.Action(tool), arguments);
        if (recorder is not null)
        {
            await recorder.RecordStepAsync(
                new TraceStep
                {
                    Action = type.Action(tool),
                    Arguments = arguments,
                    Result = given.Result,
                    Status = given.Failure is null ? StepStatus.Success : StepStatus.Failed,
                    Failure = given.Failure,
                    Effect = world.EffectOf(type, tool),
                    Parameters = world.ParametersOf(type, tool),
                    StartedAt = begun,
                    Duration = time.GetUtcNow() - begun,
                },
                cancellationToken);
        }

        return given.Failure is not null ? (false, null)
            : (true, tool is TaskType.Search ? JsonSerializer.SerializeToElement(new { customer = given.Result!.Value.GetProperty("person").GetString(), total = given.Result!.Value.GetProperty("sum_due").GetInt32() }) : given.Result);
    }

    private static bool IsStrictNoise(ProcedureStep step) => step.OnFailure is FailurePolicy.Stop && step.Action.EndsWith($".{TaskType.Log}", StringComparison.Ordinal);

    private void Think(int calls)
    {
        _modelCalls += calls;
        time.Advance(OneModelCall * calls);
    }
}
