using Microsoft.Extensions.Time.Testing;

namespace ProceduralMemory.Evaluation.Learning;

/// <summary>What learning is worth: the same tasks, tools and events for memories that do more or less with what they see.</summary>
internal static class LearningEvaluation
{
    public const int Types = 50;
    private const int TasksBetweenPasses = 50;

    public static async Task<LearningResult> RunAsync(int types, int tasks, int seed, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        var arms = new List<ArmResult>();
        foreach (var arm in Enum.GetValues<LearningArm>())
        {
            progress?.Report(LearningReport.Name(arm));
            arms.Add(await RunAsync(arm, TaskType.Make(types), tasks, seed, cancellationToken));
        }

        return new LearningResult(types, tasks, seed, arms);
    }

    private static async Task<ArmResult> RunAsync(LearningArm arm, IReadOnlyList<TaskType> types, int tasks, int seed, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("procedural-memory-learning-");
        try
        {
            var time = new FakeTimeProvider(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
            var world = new ToolWorld(types, tasks, seed, time);
            using var memory = new ProcedureMemory(new ProceduralMemoryOptions
            {
                DatabasePath = Path.Combine(folder.FullName, "memory.db"),
                TimeProvider = time,
                ReviewAfterReplay = arm is LearningArm.On,
                CandidateShare = arm is LearningArm.On ? 0.2 : 0,
                AllowCandidatesWithWrites = true,
                SlowStepThreshold = TimeSpan.FromSeconds(5),
            });
            var agent = new SimulatedAgent(arm, memory, world, time);
            var (records, wrongRemovals) = (new List<TaskRecord>(tasks), new HashSet<(string, int)>());
            for (var i = 0; i < tasks; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var task = world.TaskAt(i);
                records.Add(await agent.DoAsync(task, cancellationToken));
                if (arm is LearningArm.Seed && (await memory.ListAsync(cancellationToken: cancellationToken)).Any(p => p.Name == task.Type.Name))
                {
                    await SeedOptimizer.OptimizeAsync(memory, task.Type.Name, cancellationToken);
                }

                if ((i + 1) % TasksBetweenPasses != 0 || arm is LearningArm.NoMemory)
                {
                    continue;
                }

                if (arm is LearningArm.On)
                {
                    await memory.ReviseAsync(cancellationToken: cancellationToken);
                    await ReviewAsync(memory, [.. records.TakeLast(TasksBetweenPasses).Where(r => r is { Alone: true, IsDone: false }).Select(r => r.Task.Type.Name).Distinct()], cancellationToken);
                }

                foreach (var procedure in await memory.ListAsync(cancellationToken: cancellationToken))
                {
                    var versions = await memory.ListVersionsAsync(procedure.Name, cancellationToken);
                    wrongRemovals.UnionWith(versions.Where(v => v.State is VersionState.Active or VersionState.Quarantined or VersionState.Candidate && Lacks(types.Single(t => t.Name == procedure.Name), v)).Select(v => (procedure.Name, v.Number)));
                }
            }

            return new ArmResult(arm, records, wrongRemovals.Count, [.. types.Where(t => t.Event is not ToolEvent.None).Select(t => new Recovery(t.Event, TasksToRecover(t, world, records)))]);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A person looks at what waits: candidates may take their turns, and one takes the place of what was stopped. Where replays did the wrong thing and nothing told the memory so, the recording that taught it is taken back.</summary>
    private static async Task ReviewAsync(ProcedureMemory memory, IReadOnlyList<string> wrong, CancellationToken cancellationToken)
    {
        foreach (var name in wrong)
        {
            if ((await memory.ListVersionsAsync(name, cancellationToken)).LastOrDefault(v => v.TraceId is not null)?.TraceId is { } taught && await memory.GetTraceAsync(taught, cancellationToken) is { Status: TraceStatus.Completed })
            {
                await memory.WithdrawTraceAsync(taught, by: "reviewer", cancellationToken);
            }
        }

        foreach (var procedure in (await memory.ListAsync(cancellationToken: cancellationToken)).Where(p => p.CandidateVersion is not null))
        {
            await memory.ApproveAsync(procedure.Name, procedure.CandidateVersion!.Value, by: "reviewer", cancellationToken);
            if (procedure.QuarantinedAt is not null)
            {
                await memory.ActivateVersionAsync(procedure.Name, procedure.CandidateVersion.Value, cancellationToken: cancellationToken);
            }
        }
    }

    /// <summary>Whether a version lacks a step that its tasks need, or goes on where the check says no.</summary>
    private static bool Lacks(TaskType type, ProcedureVersion version)
    {
        var tools = version.Steps.SelectMany(s => s.Steps.Prepend(s)).Select(s => s.Action[(s.Action.IndexOf('.', StringComparison.Ordinal) + 1)..]).ToHashSet(StringComparer.Ordinal);
        return !(tools.Contains(TaskType.Find) || tools.Contains(TaskType.Search))
            || !(tools.Contains(TaskType.Apply) || tools.Contains(TaskType.Post))
            || (type.BlockedShare > 0 && !version.Steps.Any(s => s.Action == type.Action(TaskType.Check) && s.OnFailure is FailurePolicy.Stop));
    }

    /// <summary>How many tasks of a type it took after its event until three in a row were done by a replay without help; <see langword="null"/> where it never came to that.</summary>
    private static int? TasksToRecover(TaskType type, ToolWorld world, IReadOnlyList<TaskRecord> records)
    {
        var (since, inARow) = (0, 0);
        foreach (var record in records.Where(r => r.Task.Type == type && r.Task.Index >= world.EventAt(type)))
        {
            since++;
            inARow = record is { Alone: true, IsDone: true } ? inARow + 1 : 0;
            if (inARow == 3)
            {
                return since - 3;
            }
        }

        return null;
    }
}

/// <summary>What the simulation gave.</summary>
internal sealed record LearningResult(int Types, int Tasks, int Seed, IReadOnlyList<ArmResult> Arms);

/// <summary>What became of the tasks with one kind of memory.</summary>
/// <param name="Arm">The kind.</param>
/// <param name="Records">The tasks in their order.</param>
/// <param name="WrongRemovals">Active versions that lacked a step which their tasks need.</param>
/// <param name="Recoveries">How long types took to get over their event.</param>
internal sealed record ArmResult(LearningArm Arm, IReadOnlyList<TaskRecord> Records, int WrongRemovals, IReadOnlyList<Recovery> Recoveries);

/// <summary>How many tasks of a type it took to get over its event; <see langword="null"/> for never.</summary>
internal sealed record Recovery(ToolEvent Event, int? Tasks);
