using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>What the whole tree of runs of one replay has in common.</summary>
internal sealed class ReplayContext(
    IProcedureStore store, ProceduralMemoryOptions options, IStepExecutor executor, OutcomeJudging judging, IReplayApprover? approver, ILogger logger, string writeScope, ReplayRequest request)
{
    private CallApprovals? _approvals;
    private long _leaseUntilTicks;

    public IProcedureStore Store { get; } = store;

    public ProceduralMemoryOptions Options { get; } = options;

    public IStepExecutor Executor { get; } = executor;

    public OutcomeJudging Judging { get; } = judging;

    public ILogger Logger { get; } = logger;

    public string WriteScope { get; } = writeScope;

    public ReplayRequest Request { get; } = request;

    /// <summary>The right to write to the journal.</summary>
    public ExecutionClaim Claim { get; init; } = new(Guid.CreateVersion7(options.TimeProvider.GetUtcNow()), 1);

    /// <summary>What was written before, where the replay is resumed.</summary>
    public ReplayPast? Past { get; init; }

    /// <summary>One for the whole tree: a secret stays one in the procedures that are replayed inside.</summary>
    public ValueCapture Capture { get; } = new(options);

    /// <summary>Asked before every call of a function.</summary>
    public CallApprovals Approvals => _approvals ??= new CallApprovals(Store, Options, approver, Executor, WriteScope, Request.Request, Capture, Logger);

    public TimeProvider Time => Options.TimeProvider;

    /// <summary>Up to when this process says that it runs the replay, from now.</summary>
    public DateTimeOffset NextLease()
    {
        var until = Time.GetUtcNow() + Options.ReplayLease;
        Volatile.Write(ref _leaseUntilTicks, until.UtcTicks);
        return until;
    }

    /// <summary>The same where it is time to say so again, so that not every entry does.</summary>
    public DateTimeOffset? LeaseIfDue() => Volatile.Read(ref _leaseUntilTicks) - Time.GetUtcNow().UtcTicks < Options.ReplayLease.Ticks * 2 / 3 ? NextLease() : null;
}

/// <summary>What one run knows when it begins.</summary>
/// <param name="Steps">The steps that it runs: those of a procedure, or of a loop in it.</param>
/// <param name="Inputs">The inputs, bound.</param>
/// <param name="SecretInputs">Those of them that are secret.</param>
/// <param name="ConfirmedConstants">Those of them that hold a confirmed constant.</param>
internal sealed record RunFrame(
    IReadOnlyList<ProcedureStep> Steps, IReadOnlyDictionary<string, JsonElement> Inputs, HashSet<string> SecretInputs, HashSet<string> ConfirmedConstants)
{
    /// <summary>The execution that it is a part of, the step there, and in a loop the place of the element.</summary>
    public (Guid Id, string StepId, int Index)? Parent { get; init; }

    /// <summary>The steps that it stands in, each with a slash after it.</summary>
    public string Path { get; init; } = "";

    /// <summary>Whether it is inside a procedure that is replayed inside: skipping and adapting by step id are for the outermost one.</summary>
    public bool IsInside { get; init; }

    /// <summary>The run of the procedure in which this is a loop; <see langword="null"/> when this is no loop.</summary>
    public TemplateResolver? Around { get; init; }

    /// <summary>In a loop, the element that it is at.</summary>
    public JsonElement Item { get; init; }

    /// <summary>In a loop, what is kept of the element.</summary>
    public JsonElement? ElementSettings { get; init; }

    /// <summary>Whether the elements of the loop come from a secret input.</summary>
    public bool IsItemSecret { get; init; }

    /// <summary>The steps of a procedure.</summary>
    /// <param name="version">The procedure.</param>
    /// <param name="inputs">Its inputs, bound.</param>
    /// <param name="given">The values that were given for them.</param>
    public static RunFrame Of(ProcedureVersion version, IReadOnlyDictionary<string, JsonElement> inputs, IReadOnlyDictionary<string, JsonElement> given) => new(
        version.Steps,
        inputs,
        version.Inputs.Where(i => i.Secret).Select(i => i.Name).ToHashSet(StringComparer.Ordinal),
        version.Inputs.Where(i => i.Unconfirmed && !given.ContainsKey(i.Name)).Select(i => i.Name).ToHashSet(StringComparer.Ordinal));

    /// <summary>The steps of a loop for one element.</summary>
    public RunFrame ForElement(ProcedureStep loop, int index, JsonElement item, TemplateResolver around, Guid execution) => this with
    {
        Steps = loop.Steps,
        Parent = (execution, loop.Id, index),
        Path = string.Create(CultureInfo.InvariantCulture, $"{Path}{loop.Id}[{index}]/"),
        Around = around,
        Item = item,
        IsItemSecret = loop.References().OfType<InputReference>().Any(r => SecretInputs.Contains(r.Name)),
    };

    /// <summary>Whether a template is made of a secret.</summary>
    public bool IsMadeOfSecret(JsonElement template) =>
        ValueExpression.References(template).Any(r => r is InputReference input ? SecretInputs.Contains(input.Name) : IsItemSecret && r is ItemReference);
}
