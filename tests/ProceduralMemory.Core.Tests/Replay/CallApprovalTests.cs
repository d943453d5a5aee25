using System.Text.Json;
using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>The approval of a call is for one step of one execution with one set of arguments, once, and not for ever.</summary>
public sealed class CallApprovalTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile(o => o.Approval = ApprovalPolicy.Always);
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_replay_stops_before_the_call_and_says_what_a_person_must_do()
    {
        await StoreAsync();

        var (result, pending) = await PendingAsync();

        Assert.Equal(["t.look"], _executor.Calls.Select(c => c.Action));
        Assert.Equal((ReplayOutcome.Waiting, null, true), (result.Outcome, result.Verdict, result.CanResume));
        var step = result.Steps[1];
        Assert.Equal((StepStatus.Pending, FailureTypes.ApprovalPending), (step.Status, step.Failure!.ErrorType));
        Assert.Equal(
            $"Step 'send' would call t.send with {{\"to\":\"Ada\",\"n\":1}}, and every such call needs a person's approval. It was not made. A person approves it with ApproveCallAsync(new Guid(\"{result.ExecutionId}\"), \"send\", by: \"…\").",
            step.Failure.Message);
        Assert.Equal(StepStatus.Pending, result.Steps[2].Status);
        Assert.Equal((ApprovalState.Pending, "send", "t.send", StepEffect.Unknown, result.ExecutionId), (pending.State, pending.StepId, pending.Action, pending.Effect, pending.ExecutionId));
        Given.JsonEqual("""{"to":"Ada","n":1}""", pending.Arguments);
        Assert.Equal(ReplayProblemCodes.ApprovalPending, Assert.Single(result.Problems).Code);
        Assert.Equal(["look"], (await Memory.GetExecutionAsync(result.ExecutionId!.Value))!.Steps.Select(s => s.StepId));
    }

    [Fact]
    public async Task What_only_reads_and_versions_need_no_approval_then()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.look") with { Effect = StepEffect.Read }));

        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p")).Outcome);
        var (versions, calls) = await Memory.ListPendingApprovalsAsync();
        Assert.Empty(versions);
        Assert.Empty(calls);
    }

    public static TheoryData<string, string, string, int, bool> Passes => new()
    {
        // what is asked with after the approval of send({"to":"Ada","n":1}): name, step, arguments, minutes later, whether it passes
        { "the same", "send", """{"to":"Ada","n":1}""", 0, true },
        { "the same in another order and spelling", "send", """{"n":1.0,"to":"Ada"}""", 0, true },
        { "just before it expires", "send", """{"to":"Ada","n":1}""", 29, true },
        { "when it expires", "send", """{"to":"Ada","n":1}""", 30, false },
        { "another value", "send", """{"to":"Bob","n":1}""", 0, false },
        { "another type", "send", """{"to":"Ada","n":"1"}""", 0, false },
        { "an argument less", "send", """{"to":"Ada"}""", 0, false },
        { "an argument more", "send", """{"to":"Ada","n":1,"cc":"Eve"}""", 0, false },
        { "another step", "again", """{"to":"Ada","n":1}""", 0, false },
    };

    [Theory]
    [MemberData(nameof(Passes))]
    public async Task An_approval_lets_through_what_was_approved_and_nothing_else(string name, string step, string arguments, int minutes, bool passes)
    {
        Assert.NotEmpty(name);
        var memory = _test.Open(o => o.ApprovalLifetime = TimeSpan.FromMinutes(30));
        var procedure = await StoreAsync();
        var (result, _) = await PendingAsync();
        await memory.ApproveCallAsync(result.ExecutionId!.Value, "send", "Ada");
        _test.Time.Advance(TimeSpan.FromMinutes(minutes));

        Assert.Equal(passes ? ApprovalState.Approved : ApprovalState.Pending, (await RequireAsync(result.ExecutionId.Value, procedure, step, arguments)).State);
    }

    [Fact]
    public async Task It_is_used_up_by_one_call_and_all_is_kept()
    {
        var procedure = await StoreAsync();
        var (result, pending) = await PendingAsync();
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        var approved = await Memory.ApproveCallAsync(result.ExecutionId!.Value, "send", "Ada", pending.ArgumentsHash);
        Assert.Equal((ApprovalState.Approved, "Ada", _test.Time.GetUtcNow(), _test.Time.GetUtcNow() + TimeSpan.FromHours(1)), (approved.State, approved.By, approved.DecidedAt, approved.ExpiresAt));
        _test.Time.Advance(TimeSpan.FromMinutes(1));

        Assert.True((await RequireAsync(result.ExecutionId.Value, procedure)).IsGranted);
        Assert.Equal(ApprovalState.Pending, (await RequireAsync(result.ExecutionId.Value, procedure)).State);

        var kept = await Memory.ListCallApprovalsAsync(result.ExecutionId.Value);
        Assert.Equal([(ApprovalState.Used, "Ada", _test.Time.GetUtcNow()), (ApprovalState.Pending, null, null)], kept.Select(a => (a.State, a.By, a.UsedAt)));
    }

    [Fact]
    public async Task Of_many_who_want_it_at_once_one_gets_it()
    {
        var procedure = await StoreAsync();
        var (result, _) = await PendingAsync();
        await Memory.ApproveCallAsync(result.ExecutionId!.Value, "send", "Ada");

        var got = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => RequireAsync(result.ExecutionId.Value, procedure))));

        Assert.Single(got, g => g.IsGranted);
        Assert.Single((await Memory.ListPendingApprovalsAsync()).Calls);
    }

    [Fact]
    public async Task It_is_for_no_other_execution()
    {
        await StoreAsync();
        var (first, _) = await PendingAsync();
        await Memory.ApproveCallAsync(first.ExecutionId!.Value, "send", "Ada");

        var second = await Memory.ReplayAsync(_executor, "p");

        Assert.Equal(FailureTypes.ApprovalPending, second.Steps[1].Failure!.ErrorType);
        Assert.DoesNotContain(_executor.Calls, c => c.Action == "t.send");
    }

    [Fact]
    public async Task A_rejected_call_is_not_asked_about_again_in_its_execution()
    {
        var procedure = await StoreAsync();
        var (result, _) = await PendingAsync();
        await Memory.RejectCallAsync(result.ExecutionId!.Value, "send", "Grace", "Ada has moved.");

        var answer = await RequireAsync(result.ExecutionId.Value, procedure);

        Assert.Equal((ApprovalState.Rejected, new StepFailure(FailureTypes.ApprovalRejected, "The call of t.send in step 'send' was rejected by Grace: Ada has moved. It was not made.")), (answer.State, answer.Failure));
        Assert.Equal(ApprovalState.Pending, (await RequireAsync(result.ExecutionId.Value, procedure, arguments: """{"to":"Ada at her new place","n":1}""")).State);
    }

    [Fact]
    public async Task Who_has_seen_other_arguments_than_are_asked_for_by_now_approves_nothing()
    {
        var procedure = await StoreAsync();
        var (result, seen) = await PendingAsync();
        await RequireAsync(result.ExecutionId!.Value, procedure, arguments: """{"to":"Eve","n":1}""");

        await _test.RefusesAsync<ApprovalNotFoundException>(() => Memory.ApproveCallAsync(result.ExecutionId.Value, "send", "Ada", seen.ArgumentsHash));

        var open = Assert.Single((await Memory.ListPendingApprovalsAsync()).Calls);
        Given.JsonEqual("""{"to":"Eve","n":1}""", open.Arguments);
        Assert.Equal([ApprovalState.Superseded, ApprovalState.Pending], (await Memory.ListCallApprovalsAsync(result.ExecutionId.Value)).Select(a => a.State));
    }

    [Fact]
    public async Task Other_scopes_see_and_decide_nothing()
    {
        await StoreAsync();
        var (result, _) = await PendingAsync();
        using (Memory.BeginSession(new MemoryScope("other")))
        {
            Assert.Empty((await Memory.ListPendingApprovalsAsync()).Calls);
            Assert.Empty(await Memory.ListCallApprovalsAsync(result.ExecutionId!.Value));
            var refusal = await _test.RefusesAsync<ApprovalNotFoundException>(() => Memory.ApproveCallAsync(result.ExecutionId.Value, "send", "Ada"));
            Assert.Equal($"No call of step 'send' in the execution {result.ExecutionId} waits for an approval. ListPendingApprovalsAsync lists what does.", refusal.Message);
            await _test.RefusesAsync<ApprovalNotFoundException>(() => Memory.RejectCallAsync(result.ExecutionId.Value, "send", "Ada"));
        }
    }

    [Fact]
    public async Task What_is_decided_is_not_decided_again()
    {
        await StoreAsync();
        var (result, _) = await PendingAsync();
        await Memory.RejectCallAsync(result.ExecutionId!.Value, "send", "Grace");

        await _test.RefusesAsync<ApprovalNotFoundException>(() => Memory.ApproveCallAsync(result.ExecutionId.Value, "send", "Ada"));
    }

    [Fact]
    public async Task An_approver_is_asked_before_each_call_with_its_arguments()
    {
        var approver = new ScriptedApprover(r => r.Call!.StepId == "again" ? ApprovalDecision.Rejected("Grace", "Once is enough") : ApprovalDecision.Approved("Ada"));
        var memory = _test.Open(o => o.Approver = approver);
        await StoreAsync();

        var result = await memory.ReplayAsync(_executor, "p", Given.With() with { Request = "Write to Ada" });

        Assert.Equal(["t.look", "t.send"], _executor.Calls.Select(c => c.Action));
        Assert.Equal((ReplayOutcome.Refused, FailureTypes.ApprovalRejected), (result.Outcome, result.Steps[2].Failure!.ErrorType));
        Assert.Equal(["send", "again"], approver.Asked.Select(r => r.Call!.StepId));
        Assert.Equal(
            """
            'p' version 1, step 'send', calls t.send [unknown] with
              to: "Ada"
              n: 1
            for the request "Write to Ada"
            """,
            approver.Asked[0].ToText());
        Assert.Equal([(ApprovalState.Used, "Ada"), (ApprovalState.Rejected, "Grace")], (await memory.ListCallApprovalsAsync(result.ExecutionId!.Value)).Select(a => (a.State, a.By)));
    }

    [Fact]
    public async Task Each_element_of_a_loop_is_a_call_of_its_own()
    {
        var approver = new ScriptedApprover(r => r.Call!.Arguments.GetProperty("x").GetInt32() < 2 ? ApprovalDecision.Approved("Ada") : ApprovalDecision.Pending);
        var memory = _test.Open(o => o.Approver = approver);
        await memory.StoreAsync(Given.Definition("p", new ProcedureStep { Id = "each", Action = "for each", Kind = StepKind.Loop, ForEach = "$inputs.items", Steps = [Given.Step("t.a", """{"x":"$item"}""")] }).Taking(Given.Input("items")));

        var result = await memory.ReplayAsync(_executor, "p", Given.With(("items", "[1,2,3]")));

        Assert.Equal(ReplayOutcome.Waiting, result.Outcome);
        Assert.Equal("each[1]/a", Assert.Single(result.Problems).StepId);
        Assert.Single(_executor.Calls);
        Assert.Equal(2, approver.Asked.Count);
        Assert.Equal(FailureTypes.ApprovalPending, result.Steps[0].Iterations[1].Steps[0].Failure!.ErrorType);
        Assert.Equal(result.Steps[0].Iterations[1].ExecutionId, Assert.Single((await memory.ListPendingApprovalsAsync()).Calls).ExecutionId);
    }

    [Fact]
    public async Task When_it_is_approved_the_replay_is_resumed_and_calls_it_once()
    {
        await StoreAsync();
        var (waiting, _) = await PendingAsync();
        var id = waiting.ExecutionId!.Value;

        var early = await Memory.ResumeAsync(_executor, id);
        await Memory.ApproveCallAsync(id, "send", "Ada");
        var resumed = await Memory.ResumeAsync(_executor, id);

        Assert.Equal((ReplayOutcome.Waiting, ReplayProblemCodes.ApprovalPending), (early.Outcome, early.Problems.Single().Code));
        Assert.Equal(["t.look", "t.send"], _executor.Calls.Select(c => c.Action).Take(2));
        Assert.Single(_executor.Calls, c => c.Action == "t.send" && c.StepId == "send");
        Assert.Equal(StepStatus.Success, resumed.Steps[1].Status);

        // The next call of it is one of its own.
        Assert.Equal((ReplayOutcome.Waiting, "again"), (resumed.Outcome, resumed.Problems.Single().StepId));
    }

    [Fact]
    public async Task Secrets_are_neither_shown_nor_kept_nor_hashed()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"code":"$inputs.code","to":"Ada"}""")).Taking(Given.Input("code") with { Secret = true }));

        var one = await Memory.ReplayAsync(_executor, "p", Given.With(("code", "\"1234\"")));
        var two = await Memory.ReplayAsync(_executor, "p", Given.With(("code", "\"5678\"")));

        Assert.DoesNotContain("1234", one.Message, StringComparison.Ordinal);
        var calls = (await Memory.ListPendingApprovalsAsync()).Calls;
        Assert.All(calls, c => Given.JsonEqual("""{"code":"[redacted]","to":"Ada"}""", c.Arguments));
        Assert.Equal(calls[0].ArgumentsHash, calls[1].ArgumentsHash);
        Assert.NotEqual(one.ExecutionId, two.ExecutionId);
    }

    [Fact]
    public void Equal_arguments_have_one_hash_however_they_are_spelt() => Given.AnyObject.Sample(arguments =>
    {
        var reversed = Reversed(arguments);
        Assert.Equal(CallApprovals.HashOf(arguments, arguments), CallApprovals.HashOf(reversed, reversed));
    });

    [Fact]
    public void Unequal_arguments_have_unequal_hashes() => Gen.Select(Given.AnyObject, Given.AnyObject).Sample((a, b) =>
        Assert.Equal(JsonElement.DeepEquals(a, b), CallApprovals.HashOf(a, a) == CallApprovals.HashOf(b, b)));

    [Fact]
    public void What_is_too_large_to_be_written_down_is_told_apart_all_the_same()
    {
        var journalled = Given.Value($$"""{"a":"{{TraceStep.OmittedMarker}}"}""");

        Assert.NotEqual(CallApprovals.HashOf(Long("much"), journalled), CallApprovals.HashOf(Long("more"), journalled));

        static JsonElement Long(string end) => Given.Value($$"""{"a":"{{new string('x', 100)}}{{end}}"}""");
    }

    [Fact]
    public void What_is_short_and_kept_out_is_not_told_apart_since_its_hash_would_tell_it()
    {
        var journalled = Given.Value($$"""{"a":"{{TraceStep.OmittedMarker}}"}""");

        Assert.Equal(CallApprovals.HashOf(Given.Value("""{"a":"gout"}"""), journalled), CallApprovals.HashOf(Given.Value("""{"a":"measles"}"""), journalled));
    }

    private static JsonElement Reversed(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => Json.Build(writer =>
        {
            writer.WriteStartObject();
            foreach (var member in value.EnumerateObject().Reverse())
            {
                writer.WritePropertyName(member.Name);
                Reversed(member.Value).WriteTo(writer);
            }

            writer.WriteEndObject();
        }),
        JsonValueKind.Array => Json.Build(writer =>
        {
            writer.WriteStartArray();
            foreach (var item in value.EnumerateArray())
            {
                Reversed(item).WriteTo(writer);
            }

            writer.WriteEndArray();
        }),
        _ => value,
    };

    private Task<Procedure> StoreAsync() => Memory.StoreAsync(Given.Definition(
        "p",
        Given.Step("t.look") with { Effect = StepEffect.Read },
        Given.Step("t.send", """{"to":"Ada","n":1}"""),
        Given.Step("t.send", """{"to":"Ada","n":1}""", "again")));

    private async Task<(ReplayResult Result, CallApproval Pending)> PendingAsync()
    {
        var result = await Memory.ReplayAsync(_executor, "p");
        return (result, Assert.Single((await Memory.ListPendingApprovalsAsync()).Calls));
    }

    /// <summary>Asks as a run does just before the call, and as it does again when it is resumed.</summary>
    private async Task<CallPermission> RequireAsync(Guid execution, Procedure procedure, string step = "send", string arguments = """{"to":"Ada","n":1}""")
    {
        using var store = new SqliteProcedureStore(Memory.Options);
        var approvals = new CallApprovals(store, Memory.Options, approver: null, _executor, "default", userRequest: null, new ValueCapture(Memory.Options), NullLogger.Instance);
        return await approvals.RequireAsync(execution, procedure, procedure.Version.Steps.Single(s => s.Id == step), Given.Value(arguments), Given.Value(arguments), CancellationToken.None);
    }
}
