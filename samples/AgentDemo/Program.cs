using AgentDemo;
using AgentDemo.Model;
using AgentDemo.World;

// Provisional: two deployments without a memory, through the real connector, against the model stand-in.
var root = Directory.CreateTempSubdirectory("agent-demo-");
var ok = true;
try
{
    await using var server = new ChatCompletionsServer(StandInPolicy.Decide);
    await server.StartAsync();
    await using var world = new ReleaseWorld(root.FullName);
    using var agent = new DemoAgent(server.Endpoint, "stand-in", apiKey: null, world);

    foreach (var (service, version, request, streaming) in new[]
    {
        ("catalog", "1.4.0", "Deploy version 1.4.0 of the catalog service", false),
        ("orders", "2.1.0", "Please roll out orders 2.1.0", true),
    })
    {
        var since = world.EffectCount;
        var run = await agent.RunAsync(request, streaming);
        var served = await world.VersionServedAsync(service);
        var wrong = world.CountWrongOrDoubled(service, version, since);
        Console.WriteLine($"> {request}{(streaming ? " (streaming)" : "")}");
        foreach (var call in run.ToolCalls)
        {
            Console.WriteLine($"  {call.Function} {call.Arguments}{(call.Error is null ? "" : $" failed: {call.Error}")}");
        }

        Console.WriteLine($"  {run.Answer}");
        Console.WriteLine($"  model calls {run.ModelCalls}, request bytes {run.RequestBytes}, served {served}, wrong or doubled {wrong}, {run.Elapsed.TotalMilliseconds:F0} ms");
        ok &= run.ModelCalls == 6 && served == version && wrong == 0;
    }
}
finally
{
    root.Delete(recursive: true);
}

return ok ? 0 : 1;
