using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests;

/// <summary>Each: a clear error that names the mend, the store as it was, and the file in order.</summary>
public sealed class BadInputTests : IDisposable
{
    private const string Lone = "half \ud83d pair";
    private static readonly string FiveMegabytes = $"\"{new string('x', 5_000_000)}\"";
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData("deploy_servcie", "Did you mean 'deploy_service'")]
    [InlineData("weather", "ListAsync")]
    public async Task An_unknown_procedure_is_named_with_those_that_look_like_it(string name, string mend)
    {
        await Memory.StoreAsync(Given.Definition("deploy_service", Given.Step("t.a")));

        Func<Task>[] acts =
        [
            () => Memory.GetAsync(name), () => Memory.ListVersionsAsync(name), () => Memory.ActivateVersionAsync(name, 1), () => Memory.ExportAsync(name), () => Memory.OptimizeAsync(name),
            () => Memory.MergeAsync([name, "deploy_service"]), () => Memory.ReplayAsync(new ScriptedExecutor(), name, Given.With()), () => Memory.ListExecutionsAsync(name),
        ];
        foreach (var act in acts)
        {
            var error = await _test.RefusesAsync<ProcedureNotFoundException>(act);
            Assert.Equal(name, error.Name);
            Assert.Contains($"'{name}'", error.Message, StringComparison.Ordinal);
            Assert.Contains(mend, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_name_in_use_is_refused()
    {
        await Memory.StoreAsync(Given.Definition("deploy", Given.Step("t.a")));

        var error = await _test.RefusesAsync<ProcedureConflictException>(() => Memory.StoreAsync(Given.Definition("Deploy", Given.Step("t.b"))));

        Assert.Contains("'deploy' already", error.Message, StringComparison.Ordinal);
        Assert.Contains("store it as a new version of that one, with asNewVersion: true.", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, ProcedureDefinition, string, string> Definitions
    {
        get
        {
            var good = Given.Definition("good", Given.Step("t.a"));
            ProcedureDefinition With(string arguments) => good with { Steps = [Given.Step("t.a", arguments)] };
            return new TheoryData<string, ProcedureDefinition, string, string>
            {
                { "empty name", good with { Name = "" }, "name", "Name the skill" },
                { "blank name", good with { Name = " \t" }, "name", "Name the skill" },
                { "long name", good with { Name = new string('n', 129) }, "name", "128 are the most" },
                { "control character in the name", good with { Name = "a\nb" }, "name", "control characters" },
                { "half a surrogate in the name", good with { Name = Lone }, "name", "UTF-16" },
                { "half a surrogate in the description", good with { Description = Lone }, "description", "UTF-16" },
                { "half a surrogate in the notes", good with { Notes = Lone }, "notes", "UTF-16" },
                { "half a surrogate in a tag", good with { Tags = [Lone] }, "tags", "tags" },
                { "half a surrogate in an action", good with { Steps = [Given.Step(Lone)] }, "steps[0].action", "UTF-16" },
                { "half a surrogate in the notes of a step", good with { Steps = [Given.Step("t.a") with { Notes = Lone }] }, "steps[0].notes", "UTF-16" },
                { "half a surrogate in a flag", good with { Steps = [Given.Step("t.a") with { Flags = [Lone] }] }, "steps[0].flags", "UTF-16" },
                { "half a surrogate in an argument", With("""{"x":["\ud83d"]}"""), "steps[0].arguments", "UTF-16" },
                { "half a surrogate in the name of an argument", With("""{"\ud83d":1}"""), "steps[0].arguments", "UTF-16" },
                { "half a surrogate in an expectation", good with { Steps = [Given.Step("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value("\"\\ud83d\"") } }] }, "steps[0].expectation.value", "UTF-16" },
                { "half a surrogate in a default", good.Taking(new ProcedureInput { Name = "x", Default = Given.Value("\"\\ud83d\"") }), "inputs[0].default", "UTF-16" },
                { "half a surrogate in an example", good.Taking(new ProcedureInput { Name = "x", Examples = [Given.Value("\"\\ud83d\"")] }), "inputs[0].examples", "UTF-16" },
                { "half a surrogate in the description of an input", good.Taking(new ProcedureInput { Name = "x", Description = Lone }), "inputs[0].description", "UTF-16" },
                { "long description", good with { Description = new string('d', 16_385) }, "description", "16384 are the most" },
                { "too many tags", good with { Tags = [.. Enumerable.Range(0, 51).Select(i => FormattableString.Invariant($"t{i}"))] }, "tags", "at most 50" },
                { "no steps", good with { Steps = [] }, "steps", "at least one" },
                { "too many steps", good with { Steps = [.. Enumerable.Repeat(Given.Step("t.a"), 501)] }, "steps", "MaxSteps" },
                { "step without an action", good with { Steps = [Given.Step("t.a"), Given.Step(" ")] }, "steps[1]", "plugin.function" },
                { "arguments that are a number", With("1"), "steps[0].arguments", "an integer, not a JSON object" },
                { "arguments that are a list", With("[]"), "steps[0].arguments", "an array, not a JSON object" },
                { "arguments that are null", With("null"), "steps[0].arguments", "null, not a JSON object" },
                { "arguments that are text", With("\"x\""), "steps[0].arguments", "a string, not a JSON object" },
                { "an argument twice", With("""{"a":1,"a":2}"""), "steps[0].arguments", "'a' stands there twice" },
                { "an argument of 5 MB", With($$"""{"x":{{FiveMegabytes}}}"""), "steps[0].arguments", "MaxValueBytes" },
                { "an expectation of 5 MB", good with { Steps = [Given.Step("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value(FiveMegabytes) } }] }, "steps[0].expectation.value", "MaxValueBytes" },
                { "an example of 5 MB", good.Taking(new ProcedureInput { Name = "x", Examples = [Given.Value(FiveMegabytes)] }), "inputs[0].examples", "MaxValueBytes" },
                { "an argument too deep", With($$"""{"x":{{Given.Deep(33)}}}"""), "steps[0].arguments", "MaxValueDepth" },
                { "a default too deep", good.Taking(new ProcedureInput { Name = "x", Default = Given.Value(Given.Deep(34)) }), "inputs[0].default", "MaxValueDepth" },
                { "an expectation without a value", good with { Steps = [Given.Step("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = default } }] }, "steps[0].expectation.value", "missing" },
                { "a malformed expression", With("""{"x":"$inputs.a b"}"""), "steps[0].arguments", "write $$ before it" },
                { "an input that is not declared", With("""{"x":"$inputs.a"}"""), "steps[0].arguments", "Add 'a' to the inputs" },
                { "a later step", good with { Steps = [Given.Step("t.a", """{"x":"$steps.b.outputs"}"""), Given.Step("t.b")] }, "steps[0].arguments", "no earlier step" },
                { "a step itself", With("""{"x":"$steps.a.outputs"}"""), "steps[0].arguments", "no earlier step" },
                { "two steps of one id", good with { Steps = [Given.Step("t.a", id: "x"), Given.Step("t.b", id: "x")] }, "steps[1].id", "more than one step 'x'" },
                { "an id that is none", good with { Steps = [Given.Step("t.a", id: "a.b")] }, "steps[0].id", "a letter or _" },
                { "an input whose name is none", good.Taking(Given.Input("2nd")), "inputs[0]", "a letter or _" },
                { "two inputs of one name", good.Taking(Given.Input("x"), Given.Input("x")), "inputs[1]", "more than one input 'x'" },
                { "a secret with a default", good.Taking(new ProcedureInput { Name = "x", Secret = true, Default = Given.Value("1") }), "inputs[0].default", "can have no default" },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Definitions))]
    public async Task A_definition_is_refused_for(string fault, ProcedureDefinition definition, string path, string says)
    {
        Assert.NotEmpty(fault);
        await Memory.StoreAsync(Given.Definition("other", Given.Step("t.a")));

        foreach (var asNewVersion in new[] { false, true })
        {
            var error = await _test.RefusesAsync<ProcedureFormatException>(() => Memory.StoreAsync(definition, asNewVersion));
            Assert.Contains(error.Problems, p => p.Path == path && p.Message.Contains(says, StringComparison.Ordinal));
            Assert.InRange(error.Message.Length, 1, 1000);
        }
    }

    [Fact]
    public async Task What_lies_just_within_the_limits_is_stored()
    {
        var definition = Given.Definition(new string('n', 128), Given.Step("t.a", $$"""{"x":{{Given.Deep(32)}}}""")) with
        {
            Description = new string('d', 16_384),
            Tags = [.. Enumerable.Range(0, 50).Select(i => FormattableString.Invariant($"t{i}"))],
        };

        Assert.Equal(128, (await Memory.StoreAsync(definition)).Name.Length);
    }

    public static TheoryData<string, RecordingDetails> Details => new()
    {
        { "name", new RecordingDetails { Name = "" } },
        { "name", new RecordingDetails { Name = Lone } },
        { "description", new RecordingDetails { Name = "n", Description = Lone } },
        { "request", new RecordingDetails { Name = "n", Request = Lone } },
        { "notes", new RecordingDetails { Name = "n", Notes = Lone } },
        { "tags", new RecordingDetails { Name = "n", Tags = [""] } },
    };

    [Theory]
    [MemberData(nameof(Details))]
    public async Task A_recording_does_not_begin_with_details_that_cannot_be_kept(string path, RecordingDetails details)
    {
        await Memory.ListAsync();
        using var session = Memory.BeginSession();

        var error = await _test.RefusesAsync<ProcedureFormatException>(() => Memory.StartRecordingAsync(details));

        Assert.Equal(path, Assert.Single(error.Problems).Path);
        Assert.Null(session.Recorder);
        Assert.False(Memory.HasActiveRecordings);
    }

    [Fact]
    public async Task A_request_of_a_session_that_cannot_be_kept_is_refused_too()
    {
        await Memory.ListAsync();
        using var session = Memory.BeginSession(request: Lone);

        await _test.RefusesAsync<ProcedureFormatException>(() => Memory.StartRecordingAsync(new RecordingDetails { Name = "n" }));
    }

    public static TheoryData<string, TraceStep, string> RecordedSteps => new()
    {
        { "no action", new TraceStep { Action = " " }, "plugin.function" },
        { "arguments that are a list", new TraceStep { Action = "t.a", Arguments = Given.Value("[1]") }, "by name" },
        { "arguments that are text", new TraceStep { Action = "t.a", Arguments = Given.Value("\"x\"") }, "by name" },
        { "an argument of 5 MB", new TraceStep { Action = "t.a", Arguments = Given.Value($$"""{"x":{{FiveMegabytes}}}""") }, "MaxValueBytes" },
        { "a result of 5 MB", new TraceStep { Action = "t.a", Result = Given.Value(FiveMegabytes) }, "MaxValueBytes" },
        { "an argument too deep", new TraceStep { Action = "t.a", Arguments = Given.Value($$"""{"x":{{Given.Deep(33)}}}""") }, "MaxValueDepth" },
        { "a result too deep", new TraceStep { Action = "t.a", Result = Given.Value(Given.Deep(33)) }, "MaxValueDepth" },
        { "half a surrogate in an argument", new TraceStep { Action = "t.a", Arguments = Given.Value("""{"x":"\ud83d"}""") }, "UTF-16" },
        { "half a surrogate in the name of an argument", new TraceStep { Action = "t.a", Arguments = Given.Value("""{"\ud83d":1}""") }, "UTF-16" },
        { "half a surrogate in a result", new TraceStep { Action = "t.a", Result = Given.Value("""{"\ud83d":1}""") }, "UTF-16" },
        { "half a surrogate in the action", new TraceStep { Action = Lone }, "UTF-16" },
        { "half a surrogate in the outcome", new TraceStep { Action = "t.a", Outcome = Lone }, "UTF-16" },
        { "half a surrogate in the notes", new TraceStep { Action = "t.a", Notes = Lone }, "UTF-16" },
        { "half a surrogate in an error", new TraceStep { Action = "t.a", Status = StepStatus.Failed, Failure = new StepFailure("E", Lone) }, "UTF-16" },
        { "a long outcome", new TraceStep { Action = "t.a", Outcome = new string('x', 16_385) }, "16384" },
        { "an argument twice", new TraceStep { Action = "t.a", Arguments = Given.Value("""{"x":1,"x":2}""") }, "twice" },
    };

    [Theory]
    [MemberData(nameof(RecordedSteps))]
    public async Task A_step_is_not_recorded_with(string fault, TraceStep step, string says)
    {
        Assert.NotEmpty(fault);
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "n" });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.before" });

        var error = await _test.RefusesAsync<ProcedureFormatException>(() => recorder.RecordStepAsync(step));

        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        await recorder.RecordStepAsync(new TraceStep { Action = "t.after" });
        Assert.Equal(["t.before", "t.after"], (await recorder.FinalizeAsync()).Procedure!.Version.Steps.Select(s => s.Action));
    }

    [Theory]
    [InlineData("""{"x":"5 MB"}""")]
    [InlineData("""{"x":"deep"}""")]
    [InlineData("""{"x":"\ud83d"}""")]
    [InlineData("""{"\ud83d":1}""")]
    [InlineData("""{"x":1,"x":2}""")]
    public async Task A_call_that_a_filter_records_goes_on_whatever_its_arguments_are(string arguments)
    {
        arguments = arguments.Replace("\"5 MB\"", FiveMegabytes, StringComparison.Ordinal).Replace("\"deep\"", Given.Deep(33), StringComparison.Ordinal);
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "n" });

        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", Given.Value(arguments))!, Given.Value(arguments), new StepFailure("E", "m"));
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", Given.Value(arguments))!, Given.Value(arguments));

        Assert.Equal(1, (await recorder.FinalizeAsync()).DroppedSteps);
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task A_call_whose_arguments_are_no_object_is_refused_with_the_mend()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "n" });

        var error = Record.Exception(() => recorder.BeginStep("t.a", Given.Value("[1]")));

        Assert.True(error is ArgumentException or ProcedureFormatException, $"{error?.GetType().Name}: {error?.Message}");
        var finalizing = recorder.FinalizeAsync();
        Assert.True(finalizing.IsCompleted, "The refused call is still awaited.");
        await finalizing;
    }

    [Fact]
    public async Task Notes_and_tags_at_the_end_that_cannot_be_kept_are_refused_and_the_recording_goes_on()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "n" });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.a" });

        await _test.RefusesAsync<ProcedureFormatException>(() => recorder.FinalizeAsync(notes: Lone));
        await _test.RefusesAsync<ProcedureFormatException>(() => recorder.FinalizeAsync(tags: [""]));

        Assert.NotNull((await recorder.FinalizeAsync("fine", ["fine"])).Procedure);
    }

    [Fact]
    public async Task Words_that_cannot_be_kept_are_not_added_to_a_step()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "n" });
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null);

        await _test.RefusesAsync<ProcedureFormatException>(() => recorder.AnnotateStepAsync("t.a", null, Lone, null));
        await _test.RefusesAsync<ProcedureFormatException>(() => recorder.AnnotateStepAsync("t.a", null, null, new string('x', 16_385)));
    }

    [Fact]
    public async Task A_request_of_a_replay_that_cannot_be_kept_leaves_no_execution_hanging()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        await Record.ExceptionAsync(() => Memory.ReplayAsync(new ScriptedExecutor(), "p", Given.With() with { Request = Lone }));

        Assert.DoesNotContain(await Memory.ListExecutionsAsync(), e => e.Outcome is ReplayOutcome.Running);
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task A_recording_is_not_begun_twice_nor_ended_twice()
    {
        using var session = Memory.BeginSession();
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "first" });
        Assert.Contains("already recording 'first'", (await _test.RefusesAsync<RecordingStateException>(() => Memory.StartRecordingAsync(new RecordingDetails { Name = "second" }))).Message, StringComparison.Ordinal);
        await recorder.RecordStepAsync(new TraceStep { Action = "t.a" });
        await recorder.FinalizeAsync();

        foreach (var late in new Func<Task>[] { () => recorder.FinalizeAsync(), () => recorder.AbandonAsync(), () => recorder.RecordStepAsync(new TraceStep { Action = "t.b" }) })
        {
            Assert.Contains("has ended. Start another", (await _test.RefusesAsync<RecordingStateException>(late)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_replay_that_cannot_be_is_refused_and_leaves_nothing_behind()
    {
        await Memory.StoreAsync(Given.Definition("one", Given.Nested("two")));
        await Memory.StoreAsync(Given.Definition("two", Given.Step("t.a"), Given.Nested("one")));
        await Memory.StoreAsync(Given.Definition("gone", Given.Step("t.gone")));
        var executor = new ScriptedExecutor();
        var without = new ScriptedExecutor();
        without.Problems.Add(new ReplayProblem(ReplayProblemCodes.MissingFunction, "gone", "t.gone is gone. Add it."));
        var before = _test.Dump();

        var cycle = await Memory.ReplayAsync(executor, "one", Given.With());
        var missing = await Memory.ReplayAsync(without, "gone", Given.With());

        Assert.Equal((ReplayOutcome.Refused, ReplayOutcome.Refused), (cycle.Outcome, missing.Outcome));
        Assert.Contains("in a circle: one → two → one. Change one of them", cycle.Message, StringComparison.Ordinal);
        Assert.Contains("t.gone is gone. Add it.", missing.Message, StringComparison.Ordinal);
        Assert.Empty(executor.Calls.Concat(without.Calls));
        Assert.Equal(before, _test.Dump());
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task A_name_of_five_megabytes_is_answered_in_a_few_words()
    {
        for (var i = 0; i < 5; i++)
        {
            await Memory.StoreAsync(Given.Definition($"{i}{new string('x', 100)}", Given.Step("t.a")));
        }

        var name = new string('x', 5_000_000);
        foreach (var act in new Func<Task>[] { () => Memory.GetAsync(name), () => Memory.ReplayAsync(new ScriptedExecutor(), name, Given.With()), () => Memory.ActivateVersionAsync(name, 1) })
        {
            Assert.InRange((await _test.RefusesAsync<ProcedureNotFoundException>(act)).Message.Length, 1, 1000);
        }
    }

    [Fact]
    public async Task Names_that_are_empty_are_refused_everywhere()
    {
        await Memory.ListAsync();
        foreach (var name in new[] { "", " " })
        {
            Func<Task>[] acts =
            [
                () => Memory.GetAsync(name), () => Memory.ListVersionsAsync(name), () => Memory.ActivateVersionAsync(name, 1), () => Memory.ExportAsync(name), () => Memory.OptimizeAsync(name),
                () => Memory.MergeAsync([name, "x"]), () => Memory.ReplayAsync(new ScriptedExecutor(), name, Given.With()), () => Memory.ListExecutionsAsync(name), () => Memory.FindAsync(name),
            ];
            foreach (var act in acts)
            {
                await _test.RefusesAsync<ArgumentException>(act);
            }
        }
    }

    public static TheoryData<string, Action<ProceduralMemoryOptions>> Options => new()
    {
        { "DatabasePath", o => o.DatabasePath = "" },
        { "DatabasePath", o => o.DatabasePath = null! },
        { "BusyTimeout", o => o.BusyTimeout = TimeSpan.Zero },
        { "Scope", o => o.Scope = null! },
        { "Redactor", o => o.Redactor = null! },
        { "MaxValueBytes", o => o.MaxValueBytes = 1023 },
        { "MaxValueDepth", o => o.MaxValueDepth = 0 },
        { "MaxValueDepth", o => o.MaxValueDepth = 65 },
        { "MaxSteps", o => o.MaxSteps = 0 },
        { "MaxProcedureDepth", o => o.MaxProcedureDepth = 0 },
        { "MaxReplayCalls", o => o.MaxReplayCalls = 0 },
        { "MinimumScore", o => o.MinimumScore = 1.5 },
        { "MinimumScore", o => o.MinimumScore = double.NaN },
        { "MinimumExecutionsToOptimize", o => o.MinimumExecutionsToOptimize = 0 },
        { "SlowStepThreshold", o => o.SlowStepThreshold = TimeSpan.Zero },
        { "TimeProvider", o => o.TimeProvider = null! },
    };

    [Theory]
    [MemberData(nameof(Options))]
    public void An_option_out_of_range_is_named_when_the_memory_is_created(string name, Action<ProceduralMemoryOptions> change)
    {
        var options = new ProceduralMemoryOptions { DatabasePath = ":memory:" };
        change(options);

        Assert.Contains(name, Assert.Throws<System.ComponentModel.DataAnnotations.ValidationException>(() => new ProcedureMemory(options)).Message, StringComparison.Ordinal);
    }
}
