using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.SemanticKernel;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What a model is told about the functions before it calls one.</summary>
public sealed class PluginContractTests
{
    private static readonly string[] Names =
    [
        ProceduralMemoryPlugin.FindSimilarProcedure, ProceduralMemoryPlugin.ReplayProcedure, ProceduralMemoryPlugin.ResumeProcedure, ProceduralMemoryPlugin.StartRecording, ProceduralMemoryPlugin.RecordStep, ProceduralMemoryPlugin.Finalize,
    ];

    [Fact]
    public void The_names_are_those_that_were_promised()
    {
        Assert.Equal(["find_similar_procedure", "replay_procedure", "resume_procedure", "start_recording", "record_step", "finalize"], Names);
    }

    [Fact]
    public void There_are_exactly_these_six_functions()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory);

        Assert.Equal(Names.Order(StringComparer.Ordinal), kernel.Plugins["procedures"].Select(f => f.Name).Order(StringComparer.Ordinal));
        Assert.Single(kernel.Plugins);
    }

    [Fact]
    public void Every_function_parameter_and_return_value_is_described()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory);
        kernel.Plugins.AddFromObject(new ProcedureAdminPlugin(memory), "admin");

        Assert.All(kernel.Plugins.SelectMany(p => p), f =>
        {
            Assert.Matches("^[a-z]+(_[a-z]+)*$", f.Name);
            Assert.False(string.IsNullOrWhiteSpace(f.Description), f.Name);
            Assert.All(f.Metadata.Parameters, p => Assert.False(string.IsNullOrWhiteSpace(p.Description), $"{f.Name}, {p.Name}"));
        });
        Assert.All(kernel.Plugins["procedures"], f => Assert.Contains("status", f.Metadata.ReturnParameter.Description, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_model_is_offered_them_with_their_inputs_and_nothing_of_the_kernel()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());

        await agent.AskAsync("What can you do?");

        var tools = agent.Requests.Single()["tools"]!.AsArray().Select(t => t!["function"]!).ToDictionary(f => (string)f["name"]!);
        Assert.Equal([.. Names.Select(n => $"procedures-{n}").Order(StringComparer.Ordinal), "shop-close", "shop-get_order", "shop-refund"], tools.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["request", "top"], Parameters(tools["procedures-find_similar_procedure"]));
        Assert.Equal(["name", "inputs", "adapt", "skip", "continueOnFailure", "dryRun"], Parameters(tools["procedures-replay_procedure"]));
        Assert.Equal(["executionId", "results", "inputs", "skip", "adapt"], Parameters(tools["procedures-resume_procedure"]));
        Assert.Equal(["name", "description"], Parameters(tools["procedures-start_recording"]));
        Assert.Equal(["action", "arguments", "outcome", "success", "notes"], Parameters(tools["procedures-record_step"]));
        Assert.Equal(["notes", "name", "replace"], Parameters(tools["procedures-finalize"]));
        Assert.Equal(["request"], Required(tools["procedures-find_similar_procedure"]));
        Assert.Equal(["name"], Required(tools["procedures-replay_procedure"]));
        Assert.Equal(["executionId"], Required(tools["procedures-resume_procedure"]));
        Assert.Equal(["name", "description"], Required(tools["procedures-start_recording"]));
        Assert.Equal(["action"], Required(tools["procedures-record_step"]));
        Assert.Empty(Required(tools["procedures-finalize"]));
        Assert.All(tools.Where(t => t.Key.StartsWith("procedures-", StringComparison.Ordinal)), t =>
        {
            Assert.NotEmpty((string)t.Value["description"]!);
            Assert.All(t.Value["parameters"]!["properties"]!.AsObject(), p => Assert.NotEmpty((string)p.Value!["description"]!));
        });
    }

    [Fact]
    public async Task The_host_chooses_the_name_of_the_plugin()
    {
        await using var agent = await TestAgent.StartAsync(options: o => o.PluginName = "skills");

        await agent.AskAsync("What can you do?");

        Assert.All(agent.Requests.Single()["tools"]!.AsArray(), t => Assert.StartsWith("skills-", (string)t!["function"]!["name"]!, StringComparison.Ordinal));
    }

    [Fact]
    public async Task No_parameter_lets_a_model_choose_a_scope_or_approve_anything()
    {
        await using var agent = await TestAgent.StartAsync(options: o => o.AdminPluginName = "admin");

        await agent.AskAsync("What can you do?");

        var offered = agent.Requests.Single()["tools"]!.AsArray().SelectMany(t => Parameters(t!["function"]!).Append((string)t["function"]!["name"]!));
        Assert.All(offered, name => Assert.DoesNotMatch(new Regex("scope|tenant|user|approv|activat|trust", RegexOptions.IgnoreCase), name));
    }

    private static IEnumerable<string> Parameters(JsonNode function) => function["parameters"]?["properties"]?.AsObject().Select(p => p.Key) ?? [];

    private static IEnumerable<string> Required(JsonNode function) => function["parameters"]?["required"]?.AsArray().Select(r => (string)r!) ?? [];
}
