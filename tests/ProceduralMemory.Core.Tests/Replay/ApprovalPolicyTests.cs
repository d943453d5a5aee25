using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>Which calls need which approval.</summary>
public sealed class ApprovalPolicyTests
{
    private const string Free = "free", Version = "version", Call = "call";

    public static TheoryData<string, ApprovalPolicy, string?, ApprovalPolicy, StepEffect, bool, string> Cases => new()
    {
        // name, the memory's policy, a pattern with its policy, what the function declares, whether it is marked, what is asked
        { "never, and it writes", ApprovalPolicy.Never, null, default, StepEffect.Write, false, Free },
        { "first use, and it reads", ApprovalPolicy.FirstUse, null, default, StepEffect.Read, false, Free },
        { "first use, and it writes", ApprovalPolicy.FirstUse, null, default, StepEffect.Write, false, Version },
        { "first use, and it writes again the same", ApprovalPolicy.FirstUse, null, default, StepEffect.IdempotentWrite, false, Version },
        { "first use, and it says nothing", ApprovalPolicy.FirstUse, null, default, StepEffect.Unknown, false, Version },
        { "always, and it reads", ApprovalPolicy.Always, null, default, StepEffect.Read, false, Free },
        { "always, and it writes", ApprovalPolicy.Always, null, default, StepEffect.Write, false, Call },
        { "always, and it says nothing", ApprovalPolicy.Always, null, default, StepEffect.Unknown, false, Call },
        { "the function goes before the memory", ApprovalPolicy.FirstUse, "t.do", ApprovalPolicy.Always, StepEffect.Write, false, Call },
        { "the function may be let go", ApprovalPolicy.Always, "t.do", ApprovalPolicy.Never, StepEffect.Write, false, Free },
        { "the plugin goes before the memory", ApprovalPolicy.Never, "t.*", ApprovalPolicy.FirstUse, StepEffect.Write, false, Version },
        { "case does not matter", ApprovalPolicy.Never, "T.DO", ApprovalPolicy.Always, StepEffect.Write, false, Call },
        { "nor that of a plugin", ApprovalPolicy.Never, "T.*", ApprovalPolicy.Always, StepEffect.Write, false, Call },
        { "another function is another one", ApprovalPolicy.FirstUse, "t.dont", ApprovalPolicy.Never, StepEffect.Write, false, Version },
        { "another plugin as well", ApprovalPolicy.FirstUse, "tt.*", ApprovalPolicy.Never, StepEffect.Write, false, Version },
        { "what is said of a function holds for reads", ApprovalPolicy.Never, "t.do", ApprovalPolicy.Always, StepEffect.Read, false, Call },
        { "a marked function keeps requiring it", ApprovalPolicy.Never, null, default, StepEffect.Write, true, Call },
        { "whatever is said of it", ApprovalPolicy.Never, "t.do", ApprovalPolicy.Never, StepEffect.Read, true, Call },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task The_policy_and_the_effect_decide_what_is_asked(string name, ApprovalPolicy policy, string? pattern, ApprovalPolicy ofPattern, StepEffect declared, bool isMarked, string asked)
    {
        Assert.NotEmpty(name);
        var approver = new ScriptedApprover(ApprovalDecision.Pending);
        using var test = TestMemory.InMemory(o =>
        {
            (o.Approval, o.Approver) = (policy, approver);
            o.FunctionApproval = pattern is null ? o.FunctionApproval : new Dictionary<string, ApprovalPolicy> { [pattern] = ofPattern };
        });
        var executor = new ScriptedExecutor().Describes("t.do", new FunctionDescription { Effect = declared, RequiresApproval = isMarked });
        await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.do")), origin: ProcedureOrigin.Agent);

        var result = await test.Memory.ReplayAsync(executor, "p");

        Assert.Equal(asked, approver.Asked switch { [] => Free, [{ Call: null }] => Version, _ => Call });
        Assert.Equal(asked switch { Free => ReplayOutcome.Completed, Version => ReplayOutcome.Refused, _ => ReplayOutcome.Waiting }, result.Outcome);
        Assert.Equal(asked == Free ? 1 : 0, executor.Calls.Count);
        Assert.Equal(asked == Free ? [] : [ReplayProblemCodes.ApprovalPending], result.Problems.Select(p => p.Code));
        Assert.Equal(asked == Call ? FailureTypes.ApprovalPending : null, result.Steps[0].Failure?.ErrorType);
    }

    [Fact]
    public async Task Of_a_function_and_its_plugin_the_function_decides_in_whatever_order_they_stand()
    {
        foreach (var patterns in (string[][])[["t.*", "t.do"], ["t.do", "t.*"]])
        {
            using var test = TestMemory.InMemory(o => o.FunctionApproval = patterns.ToDictionary(p => p, p => p == "t.do" ? ApprovalPolicy.Never : ApprovalPolicy.Always));
            await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.do")));

            Assert.Equal(ReplayOutcome.Completed, (await test.Memory.ReplayAsync(new ScriptedExecutor(), "p")).Outcome);
        }
    }

    public static TheoryData<string, ProcedureOrigin, StepEffect, StepEffect?, StepEffect?, StepEffect> Effects => new()
    {
        // name, who wrote the version, what its step says, what the options say, what the executor says, what holds
        { "the options go first", ProcedureOrigin.User, StepEffect.Write, StepEffect.Read, StepEffect.Write, StepEffect.Read },
        { "then the executor", ProcedureOrigin.User, StepEffect.Write, null, StepEffect.Read, StepEffect.Read },
        { "also where the step says that it only reads", ProcedureOrigin.User, StepEffect.Read, null, StepEffect.Write, StepEffect.Write },
        { "a person's word counts where the function declares nothing", ProcedureOrigin.User, StepEffect.Read, null, StepEffect.Unknown, StepEffect.Read },
        { "an agent's does not", ProcedureOrigin.Agent, StepEffect.Read, null, StepEffect.Unknown, StepEffect.Unknown },
        { "unless the executor describes nothing at all", ProcedureOrigin.Agent, StepEffect.Read, null, null, StepEffect.Read },
        { "a document's never does", ProcedureOrigin.Import, StepEffect.Read, null, null, StepEffect.Unknown },
        { "whatever the function declares", ProcedureOrigin.Import, StepEffect.Read, null, StepEffect.Unknown, StepEffect.Unknown },
        { "but the host's does of a document's steps, too", ProcedureOrigin.Import, StepEffect.Write, null, StepEffect.Read, StepEffect.Read },
    };

    [Theory]
    [MemberData(nameof(Effects))]
    public void What_a_step_does_is_the_hosts_word(string name, ProcedureOrigin origin, StepEffect ofStep, StepEffect? ofOptions, StepEffect? ofExecutor, StepEffect expected)
    {
        Assert.NotEmpty(name);
        var executor = new ScriptedExecutor();
        if (ofExecutor is { } declared)
        {
            executor.Declares("t.do", declared);
        }

        var options = new ProceduralMemoryOptions { Effects = ofOptions is { } said ? new Dictionary<string, StepEffect> { ["T.Do"] = said } : new Dictionary<string, StepEffect>() };
        var step = Given.Step("t.do") with { Effect = ofStep };
        var version = new ProcedureVersion { Number = 1, Reason = VersionReason.Stored, State = VersionState.Active, Origin = origin, Steps = [step], CreatedAt = default };

        Assert.Equal(expected, StepEffects.Of(step, version, options, executor));
    }

    [Fact]
    public async Task What_a_document_claims_of_its_steps_is_not_vouched_for_by_who_corrects_a_constant_or_records_the_task()
    {
        using var test = TestMemory.InMemory(o => o.Approval = ApprovalPolicy.FirstUse);
        await test.Memory.ImportAsync("""{"format":1,"name":"p","steps":[{"id":"do","action":"t.do","arguments":{"a":1},"effect":"read"}]}""");
        await test.Memory.ActivateVersionAsync("p", 1);
        Assert.Equal(ReplayOutcome.Refused, (await test.Memory.ReplayAsync(new ScriptedExecutor(), "p")).Outcome);

        var corrected = await test.Memory.SetSourceAsync("p", "do", "a", Given.Value("2"));

        Assert.Equal((ProcedureOrigin.User, StepEffect.Unknown), (corrected.Version.Origin, corrected.Version.Steps[0].Effect));
        Assert.Equal(ReplayOutcome.Refused, (await test.Memory.ReplayAsync(new ScriptedExecutor(), "p")).Outcome);

        await test.Memory.ImportAsync("""{"format":1,"name":"q","steps":[{"id":"do","action":"t.do","arguments":{"a":1},"effect":"read"}]}""");
        await test.Memory.ActivateVersionAsync("q", 1);
        var recorded = await test.Memory.RecordedAsync(new() { Name = "q" }, ("t.do", """{"a":1}""", "1"));
        Assert.Equal(StepEffect.Unknown, recorded.Version.Steps[0].Effect);
    }

    [Theory]
    [InlineData("t", "names no functions")]
    [InlineData("*", "names no functions")]
    [InlineData("*.do", "names no functions")]
    [InlineData("t.d*", "names no functions")]
    [InlineData(".do", "names no functions")]
    [InlineData("t.", "names no functions")]
    public void A_pattern_that_names_no_functions_is_refused(string pattern, string expected)
    {
        var options = new ProceduralMemoryOptions { DatabasePath = ":memory:", FunctionApproval = new Dictionary<string, ApprovalPolicy> { [pattern] = ApprovalPolicy.Never } };

        var fault = Assert.Throws<System.ComponentModel.DataAnnotations.ValidationException>(() => new ProcedureMemory(options));

        Assert.Contains($"'{pattern}' in FunctionApproval {expected}", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_policy_that_there_is_not_is_refused()
    {
        var options = new ProceduralMemoryOptions
        {
            Approval = (ApprovalPolicy)7,
            FunctionApproval = new Dictionary<string, ApprovalPolicy> { ["t.do"] = (ApprovalPolicy)8 },
            ApprovalLifetime = TimeSpan.Zero,
        };

        var fault = Assert.Throws<System.ComponentModel.DataAnnotations.ValidationException>(options.Validate);

        Assert.Contains("Approval", fault.Message, StringComparison.Ordinal);
        Assert.Contains("'8' in FunctionApproval", fault.Message, StringComparison.Ordinal);
        Assert.Contains("ApprovalLifetime", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_default_is_first_use_and_an_hour() =>
        Assert.Equal((ApprovalPolicy.FirstUse, TimeSpan.FromHours(1)), (new ProceduralMemoryOptions().Approval, new ProceduralMemoryOptions().ApprovalLifetime));
}
