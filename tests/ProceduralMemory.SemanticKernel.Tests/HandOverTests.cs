using System.Text.Json;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>A replay that stops is handed to the agent, which does what is in the way and lets it go on: over the wire, as a model does it.</summary>
public sealed class HandOverTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_agent_mends_the_cause_and_the_failed_step_is_called_again(bool streaming)
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"), streaming);
        await StoreDeployAsync(agent);

        var conversation = await agent.AskAsync("Deploy orders.", Model.Replays("deploy"), Model.Calls("host-free_port", """{"port":80}"""), Model.Resumes());

        var (stopped, done) = (conversation.Replies[0], conversation.Replies[2]);
        Assert.Equal(["build", "start 80", "free 80", "start 80", "announce 80"], port.Calls);
        Assert.Equal((ReplyStatus.Failed, ReplyStatus.Completed), (stopped.Status, done.Status));
        Assert.Equal(stopped["execution_id"].GetString(), done["execution_id"].GetString());
        Assert.Equal(["success", "failed", "pending"], Statuses(stopped));
        Assert.Equal(["success", "success", "success"], Statuses(done));
        Assert.Contains("Port 80 is taken", stopped.Message, StringComparison.Ordinal);
        Assert.Contains(ProceduralMemoryPlugin.ResumeProcedure, stopped.Next, StringComparison.Ordinal);

        // What is left comes with what is known of it.
        Given.JsonEqual("""{"artifact":"orders-1","port":80}""", stopped["steps"][1].GetProperty("arguments"));
        Given.JsonEqual("""{"port":"$steps.start.outputs#/port"}""", stopped["steps"][2].GetProperty("arguments"));
    }

    [Fact]
    public async Task The_agent_does_the_failed_step_itself_and_that_is_kept_as_its_repair()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await StoreDeployAsync(agent);

        var conversation = await agent.AskAsync("Deploy orders.", Model.Replays("deploy"), Model.Calls("host-start", """{"artifact":"orders-1","port":81}"""), Model.Resumes());

        // It says nothing of results: that it called the step's function since is known.
        Assert.Equal(["build", "start 80", "start 81", "announce 81"], port.Calls);
        Assert.Equal(ReplyStatus.Completed, conversation.Replies[2].Status);
        var execution = (await agent.Memory.GetExecutionAsync(Guid.Parse(conversation.Replies[0]["execution_id"].GetString()!)))!;
        var step = execution.Steps[1];
        Assert.Equal((StepStatus.Success, true), (step.Status, step.Repaired));
        var repair = (await agent.Memory.GetTraceAsync(step.RepairTraceId!.Value))!;
        Assert.Equal((execution.Id, TraceStatus.Completed), (repair.RepairOf, repair.Status));
        Assert.Equal(["host.start"], repair.Steps.Select(s => s.Action));
        Given.JsonEqual("""{"artifact":"orders-1","port":81}""", repair.Steps[0].Arguments);
        Assert.Empty(await agent.Memory.ListTracesAsync());
    }

    [Fact]
    public async Task The_agent_tells_the_result_of_what_it_did_in_another_way()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await StoreDeployAsync(agent);

        var conversation = await agent.AskAsync("Deploy orders.", Model.Replays("deploy"), Model.Resumes("""{"start":{"port":90}}"""));

        Assert.Equal(["build", "start 80", "announce 90"], port.Calls);
        Assert.Equal(ReplyStatus.Completed, conversation.Replies[1].Status);
    }

    [Fact]
    public async Task Of_a_write_that_broke_off_the_agent_is_told_to_look_and_it_is_not_called_again()
    {
        var port = new Port { BreaksOff = true };
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await StoreDeployAsync(agent);

        var conversation = await agent.AskAsync("Deploy orders.", Model.Replays("deploy"), Model.Resumes(), Model.Resumes("""{"start":{"port":80}}"""));

        Assert.Equal([ReplyStatus.Failed, ReplyStatus.Waiting, ReplyStatus.Completed], conversation.Replies.Select(r => r.Status));
        Assert.Equal("unknown", Statuses(conversation.Replies[0])[1]);
        Assert.Contains("only the host can have it repeated", conversation.Replies[0].Next, StringComparison.Ordinal);
        Assert.Equal(["build", "start 80", "announce 80"], port.Calls);
    }

    [Fact]
    public async Task Inside_a_recording_what_the_replay_did_what_the_agent_did_and_what_was_resumed_make_one_task()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await StoreDeployAsync(agent);

        await agent.AskAsync("Deploy orders.", Model.StartsRecording(), Model.Replays("deploy"), Model.Calls("host-free_port", """{"port":80}"""), Model.Resumes(), Model.Finalizes());

        Assert.Equal(["host.build", "host.free_port", "host.start", "host.announce"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Theory]
    [InlineData("""{"executionId":"not an id"}""", ReplyStatus.Invalid)]
    [InlineData("""{"executionId":""}""", ReplyStatus.Invalid)]
    [InlineData("""{"executionId":"01234567-89ab-7def-8123-456789abcdef"}""", ReplyStatus.NotFound)]
    [InlineData("""{"executionId":"01234567-89ab-7def-8123-456789abcdef","results":7}""", ReplyStatus.Invalid)]
    public async Task Nonsense_gets_an_answer_that_can_be_acted_on(string arguments, string status)
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());
        Assert.Equal(status, (await agent.ModelCallsAsync("procedures-resume_procedure", arguments)).Status);
    }

    [Fact]
    public async Task What_has_completed_is_not_resumed()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await StoreDeployAsync(agent);

        var conversation = await agent.AskAsync("Deploy orders.", Model.Calls("host-free_port", """{"port":80}"""), Model.Replays("deploy"), Model.Resumes());

        Assert.Equal(ReplyStatus.Refused, conversation.Replies[2].Status);
        Assert.Equal(["free 80", "build", "start 80", "announce 80"], port.Calls);
    }

    [Fact]
    public async Task What_the_agent_did_counts_still_when_its_first_attempt_to_resume_is_turned_away()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await agent.Memory.StoreAsync(new ProcedureDefinition
        {
            Name = "deploy",
            Inputs = [new() { Name = "pin", Secret = true, Type = JsonType.Integer }],
            Steps = [Given.Step("host.start", """{"artifact":"orders-1","port":80}""", "start"), Given.Step("host.announce", """{"port":"$inputs.pin"}""", "announce")],
        });

        var conversation = await agent.AskAsync(
            "Deploy orders.",
            Model.Replays("deploy", """{"pin":4711}"""),
            Model.Calls("host-start", """{"artifact":"orders-1","port":81}"""),
            Model.Resumes(),
            Model.Calls("procedures-resume_procedure", $$"""{"inputs":{"pin":4711},"executionId":"{{Model.LastExecution}}"}"""));

        Assert.Equal([ReplyStatus.Failed, ReplyStatus.MissingInputs, ReplyStatus.Completed], conversation.Replies.Where(r => r.Tool.StartsWith("procedures", StringComparison.Ordinal)).Select(r => r.Status));
        Assert.Equal(["start 80", "start 81", "announce 4711"], port.Calls);
    }

    [Fact]
    public async Task What_the_agent_adapted_and_is_secret_it_is_asked_for_again()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"), streaming: false);
        agent.Kernel.Plugins.Add(Given.Plugin("vault", ("open", (string password) => port.Calls.Add($"open {password}"))));
        await agent.Memory.StoredAsync("deploy", Given.Step("host.start", """{"artifact":"a","port":80}""", "start"), Given.Step("vault.open", id: "open"));
        using var session = agent.Memory.BeginSession();
        var adapt = Given.Value("""{"open":{"password":"hunter2hunter2"}}""");
        var stopped = (ReplayReply)await agent.Kernel.AskMemoryAsync("replay_procedure", ("name", "deploy"), ("adapt", adapt));
        var results = Given.Value("""{"start":{"port":81}}""");

        var asked = await agent.Kernel.AskMemoryAsync("resume_procedure", ("executionId", stopped.ExecutionId), ("results", results));
        var done = await agent.Kernel.AskMemoryAsync("resume_procedure", ("executionId", stopped.ExecutionId), ("results", results), ("adapt", adapt));

        Assert.Equal((ReplyStatus.Failed, ReplyStatus.Waiting, ReplyStatus.Completed), (stopped.Status, asked.Status, done.Status));
        Assert.Contains("The adapted parameter 'password' for 'open' is secret or too large, and was not kept. Give it again.", asked.Message, StringComparison.Ordinal);
        Assert.Equal(["start 80", "open hunter2hunter2"], port.Calls);
    }

    [Fact]
    public async Task What_the_agent_did_after_another_replay_stopped_does_no_step_of_this_one()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await agent.Memory.StoredAsync("one", Given.Step("host.start", """{"artifact":"one","port":80}""", "start"));
        await agent.Memory.StoredAsync("two", Given.Step("host.start", """{"artifact":"two","port":80}""", "start"));
        using var session = agent.Memory.BeginSession();
        var one = (ReplayReply)await agent.Kernel.AskMemoryAsync("replay_procedure", ("name", "one"));
        var two = (ReplayReply)await agent.Kernel.AskMemoryAsync("replay_procedure", ("name", "two"));
        await agent.Kernel.CallAsync("host.start", ("artifact", "two"), ("port", 81));

        var first = await agent.Kernel.AskMemoryAsync("resume_procedure", ("executionId", one.ExecutionId));
        var second = await agent.Kernel.AskMemoryAsync("resume_procedure", ("executionId", two.ExecutionId));

        // Nobody but the agent knows for which of them it was made.
        Assert.Equal((ReplyStatus.Waiting, ReplyStatus.Completed), (first.Status, second.Status));
        Assert.Equal(["start 80", "start 80", "start 81"], port.Calls);
    }

    [Fact]
    public async Task Whether_a_call_after_another_replay_stopped_did_a_step_with_its_arguments_is_asked()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await agent.Memory.StoredAsync("one", Given.Step("host.start", """{"artifact":"one","port":80}""", "start"));
        await agent.Memory.StoredAsync("two", Given.Step("host.start", """{"artifact":"two","port":80}""", "start"));
        using var session = agent.Memory.BeginSession();
        var one = (ReplayReply)await agent.Kernel.AskMemoryAsync("replay_procedure", ("name", "one"));
        await agent.Kernel.AskMemoryAsync("replay_procedure", ("name", "two"));
        port.Free(80);
        await agent.Kernel.CallAsync("host.start", ("artifact", "one"), ("port", 80));

        var asked = await agent.Kernel.AskMemoryAsync("resume_procedure", ("executionId", one.ExecutionId));

        Assert.Equal(ReplyStatus.Waiting, asked.Status);
        Assert.Equal(3, port.Calls.Count(c => c == "start 80"));
    }

    [Fact]
    public async Task What_is_recorded_as_another_task_after_a_replay_stopped_is_asked_about()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await StoreDeployAsync(agent);

        var conversation = await agent.AskAsync(
            "Deploy orders.", Model.Replays("deploy"), Model.StartsRecording(), Model.Calls("host-start", """{"artifact":"orders-1","port":81}"""), Model.Calls("procedures-resume_procedure", $$"""{"executionId":"{{Model.LastExecution}}"}"""));

        Assert.Equal(ReplyStatus.Waiting, conversation.Replies[^1].Status);
        Assert.Equal(["build", "start 80", "start 81"], port.Calls);
    }

    [Fact]
    public async Task However_many_calls_lie_between_that_of_the_step_is_known()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        agent.Kernel.Plugins.Add(Given.Plugin("log", ("look", () => 1)));
        await StoreDeployAsync(agent);
        using var session = agent.Memory.BeginSession();
        var stopped = (ReplayReply)await agent.Kernel.AskMemoryAsync("replay_procedure", ("name", "deploy"));
        for (var i = 0; i < 30; i++)
        {
            await agent.Kernel.CallAsync("log.look");
        }

        await agent.Kernel.CallAsync("host.start", ("artifact", "orders-1"), ("port", 81));

        Assert.Equal(ReplyStatus.Completed, (await agent.Kernel.AskMemoryAsync("resume_procedure", ("executionId", stopped.ExecutionId))).Status);
        Assert.Equal(["build", "start 80", "start 81", "announce 81"], port.Calls);
        Assert.Equal(21, (await agent.Memory.GetTraceAsync((await agent.Memory.GetExecutionAsync(Guid.Parse(stopped.ExecutionId!)))!.Steps[1].RepairTraceId!.Value))!.Steps.Count);
    }

    [Fact]
    public async Task A_host_that_replays_by_itself_inside_a_session_has_what_it_mends_recorded_as_well()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await StoreDeployAsync(agent);
        using var session = agent.Memory.BeginSession();
        var stopped = await agent.Memory.ReplayAsync(agent.Kernel, "deploy");
        await agent.Kernel.CallAsync("host.start", ("artifact", "orders-1"), ("port", 81));

        var resumed = await agent.Memory.ResumeAsync(agent.Kernel, stopped.ExecutionId!.Value);

        Assert.Equal(["build", "start 80", "start 81", "announce 81"], port.Calls);
        var repair = (await agent.Memory.GetTraceAsync((await agent.Memory.GetExecutionAsync(resumed.ExecutionId!.Value))!.Steps[1].RepairTraceId!.Value))!;
        Assert.Equal((resumed.ExecutionId, TraceStatus.Completed, 1), (repair.RepairOf, repair.Status, repair.Steps.Count));
    }

    [Fact]
    public async Task A_function_that_resumes_a_replay_itself_is_not_waited_for()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await StoreDeployAsync(agent);
        Guid id = default;
        agent.Kernel.Plugins.Add(Given.Plugin("recovery", ("recover", async () =>
        {
            port.Free(80);
            return (await agent.Memory.ResumeAsync(agent.Kernel, id)).Message;
        }
        )));
        using var session = agent.Memory.BeginSession();
        id = (await agent.Memory.ReplayAsync(agent.Kernel, "deploy")).ExecutionId!.Value;

        await agent.Kernel.CallAsync("recovery.recover");

        Assert.Equal(["build", "start 80", "free 80", "start 80", "announce 80"], port.Calls);
    }

    [Fact]
    public async Task A_function_is_the_same_whether_a_step_has_its_name_as_it_goes_over_the_wire_or_not()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await agent.Memory.StoredAsync("start", Given.Step("host-start", """{"artifact":"a","port":80}""", "start"));
        using var session = agent.Memory.BeginSession();
        var stopped = await agent.Memory.ReplayAsync(agent.Kernel, "start");
        await agent.Kernel.CallAsync("host.start", ("artifact", "a"), ("port", 81));

        Assert.Equal(ReplayOutcome.Completed, (await agent.Memory.ResumeAsync(agent.Kernel, stopped.ExecutionId!.Value)).Outcome);
        Assert.Equal(["start 80", "start 81"], port.Calls);
    }

    [Fact]
    public async Task A_long_list_that_was_gone_through_by_hand_is_not_gone_through_again()
    {
        var port = new Port();
        await using var agent = await TestAgent.StartAsync(KernelPluginFactory.CreateFromObject(port, "host"));
        await agent.Memory.StoreAsync(new()
        {
            Name = "tell",
            Inputs = [new() { Name = "list", Type = JsonType.Array }],
            Steps =
            [
                Given.Step("host.start", """{"artifact":"a","port":80}""", "start"),
                new ProcedureStep { Id = "each", Action = "for each", Kind = StepKind.Loop, ForEach = "$inputs.list", Steps = [Given.Step("host.announce", """{"port":"$item"}""", "announce")] },
            ],
        });
        using var session = agent.Memory.BeginSession();
        var stopped = await agent.Memory.ReplayAsync(agent.Kernel, "tell", ReplayRequest.For(new { list = Enumerable.Range(1, 25).ToArray() }));
        for (var i = 1; i <= 25; i++)
        {
            await agent.Kernel.CallAsync("host.announce", ("port", i));
        }

        port.Free(80);
        var resumed = await agent.Memory.ResumeAsync(agent.Kernel, stopped.ExecutionId!.Value);

        Assert.Equal((ReplayOutcome.Completed, 25), (resumed.Outcome, port.Calls.Count(c => c.StartsWith("announce", StringComparison.Ordinal))));
    }

    private static string[] Statuses(ToolReply reply) => [.. reply["steps"].EnumerateArray().Select(s => s.GetProperty("status").GetString()!)];

    private static Task<Procedure> StoreDeployAsync(TestAgent agent) => agent.Memory.StoredAsync(
        "deploy",
        Given.Step("host.build") with { Id = "build" },
        Given.Step("host.start", """{"artifact":"$steps.build.outputs","port":80}""") with { Id = "start" },
        Given.Step("host.announce", """{"port":"$steps.start.outputs#/port"}""") with { Id = "announce" });

    /// <summary>A host on which port 80 is taken.</summary>
    private sealed class Port
    {
        private int? _taken = 80;

        public List<string> Calls { get; } = [];

        public bool BreaksOff { get; init; }

        [KernelFunction("build")]
        public string Build()
        {
            Calls.Add("build");
            return "orders-1";
        }

        [KernelFunction("start")]
        public JsonElement Start(string artifact, int port)
        {
            Calls.Add($"start {port}");
            return BreaksOff ? throw new TimeoutException("No answer.")
                : port == _taken ? throw new InvalidOperationException($"Port {port} is taken.")
                : JsonSerializer.SerializeToElement(new { artifact, port });
        }

        [KernelFunction("free_port")]
        public void Free(int port)
        {
            Calls.Add($"free {port}");
            _taken = null;
        }

        [KernelFunction("announce")]
        public void Announce(int port) => Calls.Add($"announce {port}");
    }
}
