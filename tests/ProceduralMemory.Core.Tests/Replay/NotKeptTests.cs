using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>What is secret or too large is not in the journal. A resumed replay reads it again or asks for it, and sends nothing in its place.</summary>
public sealed class NotKeptTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    private string Big => new('x', Memory.Options.MaxValueBytes);

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_adapted_parameter_that_was_not_kept_is_asked_for_and_taken_again(bool forStep)
    {
        await StoreAsync(Write("t.a"), Write("t.b"));
        _executor.Fails("t.a");
        var adapted = Given.Values((forStep ? "b" : "t.b", """{"password":"hunter2hunter2","x":1}"""));
        var failed = await Memory.ReplayAsync(_executor, "p", forStep ? new ReplayRequest { StepOverrides = adapted } : new ReplayRequest { ActionOverrides = adapted });
        _executor.Returns("t.a", "1");
        _executor.Calls.Clear();

        var asked = await ResumeAsync(failed);
        Assert.Empty(_executor.Calls);
        var again = Given.Values((forStep ? "b" : "t.b", """{"password":"hunter2hunter2","x":2}"""));
        var done = await ResumeAsync(failed, forStep ? new ResumeRequest { StepOverrides = again } : new ResumeRequest { ActionOverrides = again });

        Assert.Equal((ReplayOutcome.Refused, true, ReplayProblemCodes.MissingInput), (asked.Outcome, asked.CanResume, asked.Problems.Single().Code));
        Assert.Equal($"The adapted parameter 'password' for '{(forStep ? "b" : "t.b")}' is secret or too large, and was not kept. Give it again.", asked.Problems[0].Message);
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Given.JsonEqual("""{"password":"hunter2hunter2","x":1}""", _executor.Calls[^1].Arguments);
    }

    [Fact]
    public async Task An_adapted_parameter_of_a_step_that_is_done_is_not_asked_for()
    {
        await StoreAsync(Write("t.a"), Write("t.b"));
        _executor.Fails("t.b");
        var failed = await Memory.ReplayAsync(_executor, "p", new ReplayRequest { StepOverrides = Given.Values(("a", """{"password":"hunter2hunter2"}""")) });
        _executor.Returns("t.b", "1");

        Assert.Equal(ReplayOutcome.Completed, (await ResumeAsync(failed)).Outcome);
    }

    [Fact]
    public async Task An_optional_input_that_was_not_kept_is_asked_for_and_no_default_stands_for_it()
    {
        await Memory.StoreAsync(Given.Definition("p", Write("t.a"), Write("t.b", """{"to":"$inputs.to","note":"$inputs.note"}""")).Taking(
            new ProcedureInput { Name = "to", Secret = true, Required = false },
            new ProcedureInput { Name = "note", Default = Given.Value("\"no note\"") }));
        _executor.Fails("t.a");
        var failed = await Memory.ReplayAsync(_executor, "p", Given.With(("to", "\"ada@example.com\""), ("note", "\"the password: hunter2\"")));
        _executor.Returns("t.a", "1");
        _executor.Calls.Clear();

        var asked = await ResumeAsync(failed);
        Assert.Empty(_executor.Calls);
        var done = await ResumeAsync(failed, new ResumeRequest { Inputs = Given.Values(("to", "\"ada@example.com\""), ("note", "\"the password: hunter2\"")) });

        Assert.Equal([(ReplayProblemCodes.MissingInput, "to"), (ReplayProblemCodes.MissingInput, "note")], asked.Problems.Select(p => (p.Code, p.InputName)).OrderByDescending(p => p.InputName));
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Given.JsonEqual("""{"to":"ada@example.com","note":"the password: hunter2"}""", _executor.Calls[^1].Arguments);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_procedure_inside_that_only_reads_is_read_again_and_one_that_writes_is_asked_about(bool reads)
    {
        await Memory.StoreAsync(Given.Definition("inner", Read("t.big"), reads ? Read("t.small") : Write("t.small")));
        await StoreAsync(Given.Nested("inner", id: "a"), Write("t.x", """{"all":"$steps.a.outputs"}"""));
        _executor.Returns("t.big", $"\"{Big}\"").Returns("t.small", "1").Fails("t.x");
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.x", "1");
        _executor.Calls.Clear();

        var resumed = await ResumeAsync(failed);

        if (reads)
        {
            Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
            Assert.Equal(["t.big", "t.small", "t.x"], Called());
            Given.JsonEqual($$$"""{"all":{"big":"{{{Big}}}","small":1}}""", _executor.Calls[^1].Arguments);
            return;
        }

        Assert.Equal((ReplayOutcome.Waiting, ReplayProblemCodes.RedactedResult, "a"), (resumed.Outcome, resumed.Problems.Single().Code, resumed.Problems[0].StepId));
        Assert.Empty(_executor.Calls);
        Assert.Equal(ReplayOutcome.Completed, (await ResumeAsync(failed, new ResumeRequest { Results = Given.Values(("a", """{"big":"y"}""")) })).Outcome);
        Given.JsonEqual("""{"all":{"big":"y"}}""", Assert.Single(_executor.Calls).Arguments);
    }

    [Theory]
    [InlineData("$steps.a.outputs", true)]
    [InlineData("$steps.a.outputs#/big", true)]
    [InlineData("$steps.a.outputs#/big/id", true)]
    [InlineData("it is {$steps.a.outputs#/big}", true)]
    [InlineData("$steps.a.outputs#/small", false)]
    public async Task What_a_procedure_inside_gave_before_it_went_on_is_asked_for_where_it_is_needed(string value, bool isNeeded)
    {
        await Memory.StoreAsync(Given.Definition("inner", Write("t.big"), Write("t.small")));
        await StoreAsync(Given.Nested("inner", id: "a"), Write("t.x", $$"""{"x":"{{value}}"}"""));
        _executor.Returns("t.big", $$"""{"id":1,"text":"{{Big}}"}""").Fails("t.small");
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.small", "2");
        _executor.Calls.Clear();

        var resumed = await ResumeAsync(failed);

        Assert.Equal(isNeeded ? ["t.small"] : ["t.small", "t.x"], Called());
        Assert.Equal(isNeeded ? ReplayOutcome.Waiting : ReplayOutcome.Completed, resumed.Outcome);
        if (isNeeded)
        {
            Assert.Equal((ReplayProblemCodes.RedactedResult, "a"), (resumed.Problems.Single().Code, resumed.Problems[0].StepId));
            Assert.Equal(ReplayOutcome.Completed, (await ResumeAsync(failed, new ResumeRequest { Results = Given.Values(("a", """{"big":{"id":1},"small":2}""")) })).Outcome);
        }
    }

    [Fact]
    public async Task In_a_loop_what_is_around_it_is_asked_for_as_well()
    {
        await StoreAsync(Write("t.list"), Loop(Write("t.c", """{"key":"$item#/token"}""")));
        _executor.Returns("t.list", """[{"token":"abcdefghij"}]""").Fails("t.c");
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.c", "1");
        _executor.Calls.Clear();

        var asked = await ResumeAsync(failed);
        Assert.Empty(_executor.Calls);
        var done = await ResumeAsync(failed, new ResumeRequest { Results = Given.Values(("list", """[{"token":"abcdefghij"}]""")) });

        Assert.Equal((ReplayOutcome.Waiting, "list"), (asked.Outcome, asked.Problems.Single().StepId));
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Given.JsonEqual("""{"key":"abcdefghij"}""", Assert.Single(_executor.Calls).Arguments);
    }

    [Theory]
    [InlineData("[2,3]")]
    [InlineData("[1,3,2]")]
    [InlineData("[1,2]")]
    [InlineData("[1,2,3,4]")]
    public async Task A_loop_that_has_begun_does_not_go_on_with_another_list(string now)
    {
        await StoreAsync(Read("t.list"), Loop(Write("t.c", """{"x":"$item#/n"}""")));
        _executor.Returns("t.list", List("[1,2,3]")).On("t.c", (call, _) => call.Arguments.GetProperty("x").GetInt32() == 2 ? new StepCallResult { Failure = new StepFailure("Busy", "Busy.") } : new StepCallResult());
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.c", "1").Returns("t.list", List(now));
        _executor.Calls.Clear();

        var asked = await ResumeAsync(failed);
        Assert.Equal(["t.list"], Called());
        _executor.Calls.Clear();
        var done = await ResumeAsync(failed, new ResumeRequest { Results = Given.Values(("list", List("[1,2,3]"))) });

        Assert.Equal((ReplayOutcome.Waiting, ReplayProblemCodes.RedactedResult, "list"), (asked.Outcome, asked.Problems.Single().Code, asked.Problems[0].StepId));
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Assert.Equal(["""{"x":2}""", """{"x":3}"""], _executor.Calls.Select(c => c.Arguments.GetRawText()));
    }

    [Fact]
    public async Task A_loop_goes_on_where_its_list_was_read_again_and_is_the_same()
    {
        await StoreAsync(Read("t.list"), Loop(Write("t.c", """{"x":"$item#/n"}""")));
        var list = List("[1,2,3]");
        _executor.Returns("t.list", list).On("t.c", (call, _) => call.Arguments.GetProperty("x").GetInt32() == 2 ? new StepCallResult { Failure = new StepFailure("Busy", "Busy.") } : new StepCallResult());
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.c", "1");
        _executor.Calls.Clear();

        Assert.Equal(ReplayOutcome.Completed, (await ResumeAsync(failed)).Outcome);
        Assert.Equal(["{}", """{"x":2}""", """{"x":3}"""], _executor.Calls.Select(c => c.Arguments.GetRawText()));
    }

    [Fact]
    public async Task A_loop_that_only_reads_reads_the_other_list()
    {
        await StoreAsync(Read("t.list"), Loop(Read("t.c", """{"x":"$item#/n"}""")));
        _executor.Returns("t.list", List("[1,2,5]")).On("t.c", (call, _) => call.Arguments.GetProperty("x").GetInt32() == 2 ? new StepCallResult { Failure = new StepFailure("Busy", "Busy.") } : new StepCallResult());
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.c", "1").Returns("t.list", List("[3,4]"));
        _executor.Calls.Clear();

        Assert.Equal(ReplayOutcome.Completed, (await ResumeAsync(failed)).Outcome);
        Assert.Equal(["{}", """{"x":3}""", """{"x":4}"""], _executor.Calls.Select(c => c.Arguments.GetRawText()));
    }

    [Fact]
    public async Task What_tells_the_elements_of_a_loop_gives_no_secret_away()
    {
        await Memory.StoreAsync(Given.Definition("p", new ProcedureStep { Id = "each", Action = "for each", Kind = StepKind.Loop, ForEach = "$inputs.pins", Steps = [Write("t.c", """{"x":"$item"}""")] })
            .Taking(new ProcedureInput { Name = "pins", Secret = true }));

        await Memory.ReplayAsync(_executor, "p", Given.With(("pins", "[1234,5678]")));

        Assert.Equal(["""{"count":2}""", """{"count":2}"""], _test.Rows("select settings from executions where parent_id is not null"));
    }

    [Fact]
    public async Task Each_step_goes_on_with_the_version_that_it_began_with_or_names()
    {
        await Memory.StoreAsync(Given.Definition("inner", Write("t.one")));
        await Memory.StoreAsync(Given.Definition("inner", Write("t.two")), asNewVersion: true);
        await Memory.StoreAsync(Given.Definition("middle", Given.Nested("inner", id: "c") with { Version = 1 }, Write("t.y")));
        await StoreAsync(Given.Nested("inner", id: "a") with { Version = 1 }, Given.Nested("middle", id: "m"), Write("t.x"), Given.Nested("inner", id: "b") with { Version = 2 }, Given.Nested("inner", id: "d"));
        _executor.Fails("t.x");
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.x", "1");

        Assert.Equal(ReplayOutcome.Completed, (await ResumeAsync(failed)).Outcome);
        Assert.Equal(["t.one", "t.one", "t.y", "t.x", "t.x", "t.two", "t.two"], Called());
    }

    [Fact]
    public async Task A_procedure_inside_that_has_begun_goes_on_with_its_version_although_another_one_is_active_by_now()
    {
        await Memory.StoreAsync(Given.Definition("inner", Write("t.one"), Write("t.x")));
        await Memory.StoreAsync(Given.Definition("middle", Given.Nested("inner", id: "c")));
        await StoreAsync(Given.Nested("middle", id: "m"), Given.Nested("middle", id: "n"));
        _executor.Fails("t.x");
        var failed = await Memory.ReplayAsync(_executor, "p");
        await Memory.StoreAsync(Given.Definition("inner", Write("t.two")), asNewVersion: true);
        _executor.Returns("t.x", "1");

        Assert.Equal(ReplayOutcome.Completed, (await ResumeAsync(failed)).Outcome);
        Assert.Equal(["t.one", "t.x", "t.x", "t.two"], Called());
    }

    /// <summary>A list of which one element is too large to be kept.</summary>
    private string List(string numbers) => JsonSerializer.Serialize(Given.Value(numbers).EnumerateArray().Select(n => n.GetInt32()).Select(n => new { n, text = n <= 2 ? n.ToString(CultureInfo.InvariantCulture) : Big }));

    private Task<ReplayResult> ResumeAsync(ReplayResult stopped, ResumeRequest? request = null) => Memory.ResumeAsync(_executor, stopped.ExecutionId!.Value, request);

    private static ProcedureStep Loop(params IReadOnlyList<ProcedureStep> steps) =>
        new() { Id = "each", Action = "for each", Kind = StepKind.Loop, ForEach = "$steps.list.outputs", Steps = steps };

    private static ProcedureStep Read(string action, string arguments = "{}") => Given.Step(action, arguments, action[2..]) with { Effect = StepEffect.Read };

    private static ProcedureStep Write(string action, string arguments = "{}") => Given.Step(action, arguments, action[2..]) with { Effect = StepEffect.Write };

    private Task<Procedure> StoreAsync(params IReadOnlyList<ProcedureStep> steps) => Memory.StoreAsync(Given.Definition("p", steps));

    private IEnumerable<string> Called() => _executor.Calls.Select(c => c.Action);
}
