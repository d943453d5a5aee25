using System.Text.Json.Nodes;
using AgentDemo.Model;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What the demo's stand-in for a model does when a replay stops: it goes by the conversation alone, and by no act of the demo.</summary>
public sealed class StandInPolicyTests
{
    private const string Stopped =
        """
        {"status":"failed","message":"Step 'start_service' failed.","execution_id":"0198-e","steps":[
          {"id":"push","action":"release.push_artifact","status":"success","result":{"location":"store/1.zip"}},
          {"id":"start","action":"release.start_service","status":"failed","arguments":{"service":"billing","location":"store/1.zip"},"note":"Port 80 is taken."},
          {"id":"check","action":"release.check_health","status":"pending","arguments":{"url":"$steps.start.outputs#/url"}}]}
        """;

    [Fact]
    public void At_a_taken_port_it_starts_the_service_on_another_with_what_is_known_and_lets_the_replay_go_on()
    {
        var mends = Decide(("procedures-replay_procedure", Stopped));
        Assert.Equal("release-start_service", mends.Name);
        Given.JsonEqual("""{"service":"billing","location":"store/1.zip","port":0}""", Given.Value(mends.ArgumentsJson));

        var resumes = Decide(("procedures-replay_procedure", Stopped), ("release-start_service", """{"url":"http://127.0.0.1:81","port":81}"""));
        Assert.Equal("procedures-resume_procedure", resumes.Name);
        Given.JsonEqual("""{"executionId":"0198-e"}""", Given.Value(resumes.ArgumentsJson));
    }

    [Fact]
    public void It_tells_how_it_ended()
    {
        (string, string)[] mended = [("procedures-replay_procedure", Stopped), ("release-start_service", """{"url":"http://127.0.0.1:81","port":81}""")];
        Assert.Equal(
            "billing 3.1.0 is deployed and healthy at http://127.0.0.1:81.",
            Say([.. mended, ("procedures-resume_procedure", """{"status":"completed","message":"done","steps":[{"id":"check","action":"release.check_health","status":"success","result":{"healthy":true,"version":"3.1.0"}}]}""")]));
        Assert.Equal("It waits.", Say([.. mended, ("procedures-resume_procedure", """{"status":"waiting","message":"It waits."}""")]));
        Assert.Equal("No agent may.", Say(("procedures-replay_procedure", """{"status":"refused","message":"No agent may."}""")));
        Assert.Contains("another port did not help", Say(("procedures-replay_procedure", Stopped), ("release-start_service", "Error: no ports left")), StringComparison.Ordinal);
    }

    [Fact]
    public void What_failed_of_something_else_it_does_itself_from_where_the_replay_stopped()
    {
        var goesOn = Decide(("procedures-replay_procedure", Stopped.Replace("Port 80 is taken.", "The disk is full.", StringComparison.Ordinal)));
        Assert.Equal("release-start_service", goesOn.Name);
        Given.JsonEqual("""{"service":"billing","location":"store/1.zip"}""", Given.Value(goesOn.ArgumentsJson));
    }

    [Fact]
    public void It_looks_for_procedures_where_it_is_told_to_and_else_takes_the_tools_as_they_are()
    {
        Assert.Equal("procedures-find_similar_procedure", Asked("Look for a stored procedure first.", Find(), Validate()).Name);
        Assert.Equal("release-validate_config", Asked("You are a release engineer.", Find(), Validate()).Name);
    }

    [Fact]
    public void It_calls_a_learned_function_that_is_for_its_task_and_takes_what_the_user_asked_for()
    {
        var call = Asked("", Validate(), Learned("Does in one call: deploy a service.", "service_name", "version", "port?"));
        Assert.Equal("learned-anything", call.Name);
        Given.JsonEqual("""{"service_name":"billing","version":"3.1.0"}""", Given.Value(call.ArgumentsJson));

        // Of something else, without a place for what is asked for, or in need of what nobody has said.
        Assert.Equal("release-validate_config", Asked("", Validate(), Learned("Does in one call: rename a service.", "service", "version")).Name);
        Assert.Equal("release-validate_config", Asked("", Validate(), Learned("Does in one call: deploy a service.", "service")).Name);
        Assert.Equal("release-validate_config", Asked("", Validate(), Learned("Does in one call: deploy a service.", "service", "version", "region")).Name);
    }

    [Fact]
    public void It_tells_how_a_learned_function_ended_and_mends_what_stopped()
    {
        Assert.Equal("billing 3.1.0 is deployed and healthy.", Turn([("learned-deploy", """{"status":"completed","steps":[{"id":"check","action":"release.check_health","status":"success","result":{"healthy":true}}]}""")], looked: false).Text);
        Assert.Equal("No agent may.", Turn([("learned-deploy", """{"status":"refused","message":"No agent may."}""")], looked: false).Text);
        Assert.Equal("release-start_service", Assert.Single(Turn([("learned-deploy", Stopped)], looked: false).ToolCalls).Name);
    }

    private static ModelToolCall Asked(string instructions, params JsonObject[] tools) => Assert.Single(StandInPolicy.Decide(new JsonObject
    {
        ["messages"] = new JsonArray(
            new JsonObject { ["role"] = "system", ["content"] = instructions },
            new JsonObject { ["role"] = "user", ["content"] = "Deploy version 3.1.0 of the billing service" }),
        ["tools"] = new JsonArray([.. tools]),
    }).ToolCalls);

    private static JsonObject Find() => Tool("procedures-find_similar_procedure", "request");

    private static JsonObject Validate() => Tool("release-validate_config", "service", "version");

    private static JsonObject Learned(string description, params string[] parameters)
    {
        var tool = Tool("learned-anything", parameters);
        tool["function"]!["description"] = description;
        return tool;
    }

    private static ModelToolCall Decide(params (string Tool, string Result)[] results) => Assert.Single(Turn(results).ToolCalls);

    private static string Say(params (string Tool, string Result)[] results) => Turn(results).Text!;

    private static ModelTurn Turn((string Tool, string Result)[] results, bool looked = true)
    {
        var messages = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Deploy version 3.1.0 of the billing service" });
        foreach (var ((tool, result), n) in (looked ? results.Prepend(("procedures-find_similar_procedure", """{"status":"found","procedures":[{"name":"deploy","inputs":[]}]}""")) : results).Select((r, n) => (r, n)))
        {
            messages.Add(new JsonObject { ["role"] = "assistant", ["tool_calls"] = new JsonArray(new JsonObject { ["id"] = $"c{n}", ["function"] = new JsonObject { ["name"] = tool, ["arguments"] = "{}" } }) });
            messages.Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = $"c{n}", ["content"] = result });
        }

        return StandInPolicy.Decide(new JsonObject
        {
            ["messages"] = messages,
            ["tools"] = new JsonArray(
                Tool("release-start_service", "service", "location", "port?"),
                Tool("release-check_health", "url", "expected_version"),
                Tool("procedures-find_similar_procedure", "request"),
                Tool("procedures-replay_procedure", "name", "inputs?"),
                Tool("procedures-resume_procedure", "executionId", "results?")),
        });
    }

    private static JsonObject Tool(string name, params string[] parameters) => new()
    {
        ["type"] = "function",
        ["function"] = new JsonObject
        {
            ["name"] = name,
            ["parameters"] = new JsonObject
            {
                ["properties"] = new JsonObject(parameters.Select(p => KeyValuePair.Create<string, JsonNode?>(p.TrimEnd('?'), new JsonObject()))),
                ["required"] = new JsonArray([.. parameters.Where(p => !p.EndsWith('?')).Select(p => JsonValue.Create(p))]),
            },
        },
    };
}
