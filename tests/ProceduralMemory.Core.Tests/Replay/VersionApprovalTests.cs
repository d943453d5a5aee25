using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>A version that may change something is replayed only after a person has approved it, once.</summary>
public sealed class VersionApprovalTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile(o => o.Approval = ApprovalPolicy.FirstUse);
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Without_an_approval_nothing_is_called_and_the_message_says_what_a_person_must_do()
    {
        await Memory.StoreAsync(Given.Definition("send \"it\"", Given.Step("t.look") with { Effect = StepEffect.Read }, Given.Step("t.send"), Given.Step("t.file")));

        var result = await Memory.ReplayAsync(_executor, "send \"it\"");

        Assert.Empty(_executor.Calls);
        Assert.Equal((ReplayOutcome.Refused, null), (result.Outcome, result.ExecutionId));
        var problem = Assert.Single(result.Problems);
        Assert.Equal(ReplayProblemCodes.ApprovalPending, problem.Code);
        Assert.Equal("'send \"it\"' version 1 may change something (t.send, t.file), and no person has approved it yet. A person approves it with ApproveAsync(\"send \\\"it\\\"\", 1, by: \"…\").", problem.Message);
        Assert.Contains(problem.Message, result.Message, StringComparison.Ordinal);
        Assert.Empty(await Memory.ListExecutionsAsync());
    }

    [Fact]
    public async Task An_approval_lets_it_through_from_then_on_and_who_and_when_are_kept()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await Memory.ReplayAsync(_executor, "p");
        _test.Time.Advance(TimeSpan.FromMinutes(5));

        var approval = await Memory.ApproveAsync("P", 1, by: " Ada Lovelace ");

        Assert.Equal(("p", 1, ApprovalState.Approved, "Ada Lovelace", _test.Time.GetUtcNow()), (approval.ProcedureName, approval.Version, approval.State, approval.By, approval.At));
        _test.Time.Advance(TimeSpan.FromDays(1000));
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p")).Outcome);
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p")).Outcome);
        Assert.Equal([(ApprovalState.Pending, null), (ApprovalState.Approved, "Ada Lovelace")], (await Memory.ListApprovalsAsync("p")).Select(a => (a.State, a.By)));
    }

    [Fact]
    public async Task Another_memory_on_the_file_knows_it()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await Memory.ApproveAsync("p", 1, "Ada");

        Assert.Equal(ReplayOutcome.Completed, (await _test.Open().ReplayAsync(_executor, "p")).Outcome);
    }

    [Fact]
    public async Task What_only_reads_is_replayed_freely_and_is_no_question()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Effect = StepEffect.Read }));

        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p")).Outcome);
        Assert.Empty((await Memory.ListPendingApprovalsAsync()).Versions);
    }

    [Fact]
    public async Task A_new_version_needs_a_new_approval_and_the_old_one_keeps_its_own()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await Memory.ApproveAsync("p", 1, "Ada");
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.b")), asNewVersion: true);

        var refused = await Memory.ReplayAsync(_executor, "p");

        Assert.Equal(ReplayProblemCodes.ApprovalPending, Assert.Single(refused.Problems).Code);
        Assert.Empty(_executor.Calls);
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p", Given.With() with { Version = 1 })).Outcome);
        Assert.Equal("t.a", Assert.Single(_executor.Calls).Action);
    }

    [Fact]
    public async Task Loops_are_looked_into()
    {
        var loop = new ProcedureStep { Id = "each", Action = "for each item", Kind = StepKind.Loop, ForEach = "$inputs.items", Steps = [Given.Step("t.a", """{"x":"$item"}""")] };
        await Memory.StoreAsync(Given.Definition("p", loop).Taking(Given.Input("items")));

        var result = await Memory.ReplayAsync(_executor, "p", Given.With(("items", "[1,2]")));

        Assert.Equal(ReplayProblemCodes.ApprovalPending, Assert.Single(result.Problems).Code);
        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task Every_version_inside_needs_its_own_and_one_question_names_them_all()
    {
        await Memory.StoreAsync(Given.Definition("reads", Given.Step("t.read") with { Effect = StepEffect.Read }));
        await Memory.StoreAsync(Given.Definition("writes", Given.Step("t.write")));
        await Memory.StoreAsync(Given.Definition("middle", Given.Nested("writes"), Given.Nested("reads", id: "r")));
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("middle"), Given.Nested("writes", id: "again"), Given.Nested("reads", id: "r")));

        var result = await Memory.ReplayAsync(_executor, "outer");

        Assert.Equal(["'outer'", "'middle'", "'writes'"], result.Problems.Select(p => p.Message.Split(' ')[0]));
        Assert.Equal(["outer", "middle", "writes"], (await Memory.ListPendingApprovalsAsync()).Versions.Select(v => v.ProcedureName));
        foreach (var name in (string[])["outer", "middle"])
        {
            await Memory.ApproveAsync(name, 1, "Ada");
            Assert.Equal(ReplayOutcome.Refused, (await Memory.ReplayAsync(_executor, "outer")).Outcome);
            Assert.Empty(_executor.Calls);
        }

        await Memory.ApproveAsync("writes", 1, "Ada");
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "outer")).Outcome);
        Assert.Equal(4, _executor.Calls.Count);
    }

    [Fact]
    public async Task A_new_version_inside_stops_what_replays_it()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a")));
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("inner")));
        await Memory.ApproveAsync("inner", 1, "Ada");
        await Memory.ApproveAsync("outer", 1, "Ada");
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.b")), asNewVersion: true);

        var result = await Memory.ReplayAsync(_executor, "outer");

        Assert.StartsWith("'inner' version 2 may change something (t.b)", Assert.Single(result.Problems).Message, StringComparison.Ordinal);
        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task A_rejection_stands_until_somebody_approves_and_says_why()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await Memory.RejectAsync("p", 1, "Grace", "It sends to the wrong address.");

        var result = await Memory.ReplayAsync(_executor, "p");

        var problem = Assert.Single(result.Problems);
        Assert.Equal((ReplayProblemCodes.ApprovalRejected, "'p' version 1 was rejected by Grace: It sends to the wrong address. A person can still approve it with ApproveAsync(\"p\", 1, by: \"…\")."), (problem.Code, problem.Message));
        Assert.Empty(_executor.Calls);
        Assert.Empty((await Memory.ListPendingApprovalsAsync()).Versions);
        await Memory.ApproveAsync("p", 1, "Ada");
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p")).Outcome);
    }

    [Fact]
    public async Task A_rejected_version_is_not_asked_about_again()
    {
        var approver = new ScriptedApprover(ApprovalDecision.Rejected("Grace", "No."));
        var memory = _test.Open(o => o.Approver = approver);
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        Assert.Equal(ReplayProblemCodes.ApprovalRejected, Assert.Single((await memory.ReplayAsync(_executor, "p")).Problems).Code);
        Assert.Equal(ReplayProblemCodes.ApprovalRejected, Assert.Single((await memory.ReplayAsync(_executor, "p")).Problems).Code);

        Assert.Single(approver.Asked);
        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task Who_rejects_a_procedure_says_nothing_of_those_that_it_replays()
    {
        var memory = _test.Open(o => o.Approver = new ScriptedApprover(r => r.ProcedureName == "outer" ? ApprovalDecision.Rejected("Grace") : ApprovalDecision.Approved("Grace")));
        await memory.StoreAsync(Given.Definition("inner", Given.Step("t.a")));
        await memory.StoreAsync(Given.Definition("outer", Given.Nested("inner")));

        Assert.StartsWith("'outer' version 1 was rejected by Grace.", Assert.Single((await memory.ReplayAsync(_executor, "outer")).Problems).Message, StringComparison.Ordinal);
        Assert.Equal(ReplayOutcome.Completed, (await memory.ReplayAsync(_executor, "inner")).Outcome);
    }

    [Fact]
    public async Task An_approval_that_is_taken_back_is_asked_for_again()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await Memory.ApproveAsync("p", 1, "Ada");

        await Memory.RevokeApprovalAsync("p", 1, "Grace");

        Assert.Equal(ReplayProblemCodes.ApprovalPending, Assert.Single((await Memory.ReplayAsync(_executor, "p")).Problems).Code);
        Assert.Empty(_executor.Calls);
        Assert.Equal([ApprovalState.Approved, ApprovalState.Revoked, ApprovalState.Pending], (await Memory.ListApprovalsAsync("p")).Select(a => a.State));
        Assert.Single((await Memory.ListPendingApprovalsAsync()).Versions);
    }

    [Fact]
    public async Task What_nobody_decided_cannot_be_taken_back()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await Memory.ReplayAsync(_executor, "p");

        var refusal = await _test.RefusesAsync<ApprovalNotFoundException>(() => Memory.RevokeApprovalAsync("p", 1, "Ada"));

        Assert.Equal("Nothing is decided on 'p' version 1 in the scope 'default'.", refusal.Message);
    }

    [Fact]
    public async Task The_approval_of_a_procedure_of_that_name_in_another_scope_is_none()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        using (Memory.BeginSession(new MemoryScope("other")))
        {
            await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
            await Memory.ApproveAsync("p", 1, "Ada");
            Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p")).Outcome);
        }

        _executor.Calls.Clear();
        Assert.Equal(ReplayOutcome.Refused, (await Memory.ReplayAsync(_executor, "p")).Outcome);
        Assert.Empty(_executor.Calls);
    }

    [Theory]
    [InlineData("user:ada", "user:bob", false)] // what one approves for themselves, others have not approved
    [InlineData("team", "user:bob", true)] // what is approved for a team, its members may replay
    public async Task An_approval_holds_for_those_who_read_the_scope_that_it_was_given_in(string approvedIn, string replayedIn, bool isLetThrough)
    {
        using (Memory.BeginSession(new MemoryScope("team")))
        {
            await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        }

        using (Memory.BeginSession(new MemoryScope(approvedIn, "team")))
        {
            await Memory.ApproveAsync("p", 1, "Ada");
            Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(new ScriptedExecutor(), "p")).Outcome);
        }

        using (Memory.BeginSession(new MemoryScope(replayedIn, "team")))
        {
            Assert.Equal(isLetThrough ? ReplayOutcome.Completed : ReplayOutcome.Refused, (await Memory.ReplayAsync(_executor, "p")).Outcome);
            Assert.Equal(isLetThrough ? 1 : 0, _executor.Calls.Count);
        }
    }

    [Fact]
    public async Task A_rejection_in_any_scope_that_is_read_stands_and_only_its_own_scope_takes_it_back()
    {
        using (Memory.BeginSession(new MemoryScope("team")))
        {
            await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
            await Memory.RejectAsync("p", 1, "Grace");
        }

        using (Memory.BeginSession(new MemoryScope("user:ada", "team")))
        {
            await Memory.ApproveAsync("p", 1, "Ada");
            Assert.Equal(ReplayProblemCodes.ApprovalRejected, Assert.Single((await Memory.ReplayAsync(_executor, "p")).Problems).Code);
            await Memory.RevokeApprovalAsync("p", 1, "Ada");
            var refusal = await _test.RefusesAsync<ApprovalNotFoundException>(() => Memory.RevokeApprovalAsync("p", 1, "Ada"));
            Assert.Equal("Nothing is decided on 'p' version 1 in the scope 'user:ada'; it was rejected in 'team', and is taken back there.", refusal.Message);
        }
    }

    [Fact]
    public async Task Asking_twice_is_one_question()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await Memory.ReplayAsync(_executor, "p");
        var before = _test.Dump();

        await Memory.ReplayAsync(_executor, "p");

        Assert.Equal(before, _test.Dump());
        var pending = Assert.Single((await Memory.ListPendingApprovalsAsync()).Versions);
        Assert.Equal(("p", 1, ApprovalState.Pending, null), (pending.ProcedureName, pending.Version, pending.State, pending.By));
        await Memory.ApproveAsync("p", 1, "Ada");
        Assert.Empty((await Memory.ListPendingApprovalsAsync()).Versions);
    }

    [Fact]
    public async Task Nobody_is_asked_about_what_could_not_be_replayed_anyway()
    {
        var approver = new ScriptedApprover(ApprovalDecision.Approved("Ada"));
        var memory = _test.Open(o => o.Approver = approver);
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"x":"$inputs.x"}""")).Taking(Given.Input("x")));

        var result = await memory.ReplayAsync(_executor, "p");

        Assert.Equal([ReplayProblemCodes.MissingInput], result.Problems.Select(p => p.Code));
        Assert.Empty(approver.Asked);
        Assert.Empty(await memory.ListApprovalsAsync("p"));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("a\nb")]
    public async Task Who_decides_must_be_named(string by)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        await _test.RefusesAsync<ArgumentException>(() => Memory.ApproveAsync("p", 1, by));
        await _test.RefusesAsync<ArgumentException>(() => Memory.RejectAsync("p", 1, by));
        await _test.RefusesAsync<ArgumentException>(() => Memory.RevokeApprovalAsync("p", 1, by));
        await _test.RefusesAsync<ArgumentException>(() => Memory.ApproveCallAsync(Guid.Empty, "a", by));
        await _test.RefusesAsync<ArgumentException>(() => Memory.ApproveAsync("p", 1, new string('x', 201)));
        await _test.RefusesAsync<ArgumentException>(() => Memory.ApproveAsync("p", 1, "half \ud83d pair"));
    }

    [Theory]
    [InlineData("q", 1)]
    [InlineData("p", 2)]
    public async Task What_is_not_there_cannot_be_approved(string name, int version)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        await _test.RefusesAsync<ProcedureNotFoundException>(() => Memory.ApproveAsync(name, version, "Ada"));
    }
}
