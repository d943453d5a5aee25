using System.Collections.Concurrent;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Extensions.AI.Tests;

public sealed class ManyTurnsTests
{
    private const int Turns = 500;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_conversations_at_once_do_not_mix(bool asAgents)
    {
        var judge = new Judge();
        using var memory = Given.Memory(o => o.TurnJudge = judge);

        // One list of tools and one client for both.
        AIFunction[] tools = [.. new[] { "first_left", "second_left", "first_right", "second_right" }.Select(n => AIFunctionFactory.Create(async (string id) =>
        {
            await Task.Yield();
            return $"{n}:{id}";
        }, n))];
        using var model = new InProcessModel(since =>
        {
            // "left 17": what the user says is what is called.
            var words = since[0].Text.Split(' ');
            return since.Count(m => m.Role == ChatRole.Assistant) switch
            {
                0 => [new FunctionCallContent("a", $"first_{words[0]}", new Dictionary<string, object?> { ["id"] = words[1] })],
                1 => [new FunctionCallContent("b", $"second_{words[0]}", new Dictionary<string, object?> { ["id"] = words[1] })],
                _ => [new TextContent($"done {words[1]}"), new UsageContent(new UsageDetails { InputTokenCount = 1 })],
            };
        });
        using var client = model.WithMemory(memory);
        var agent = new ChatClientAgent(model, new ChatClientAgentOptions { ChatOptions = new ChatOptions { Tools = [.. tools] }, AIContextProviders = [new ProceduralMemoryContextProvider(memory)] });

        await Task.WhenAll(TalkAsync("left"), TalkAsync("right"));

        Assert.Equal(2 * Turns, judge.Seen.Count);
        Assert.Empty(judge.Seen.Where(s => !s.IsRight).Select(s => s.What));
        Assert.Equal(2 * Turns, judge.Seen.Select(s => s.Request).Distinct().Count());
        Assert.False(memory.HasActiveRecordings);
        Assert.Null(memory.CurrentTurn);

        async Task TalkAsync(string side)
        {
            await Task.Yield();
            var session = await agent.CreateSessionAsync();
            for (var i = 0; i < Turns; i++)
            {
                var request = $"{side} {i}";
                string answer;
                if (asAgents)
                {
                    var updates = new List<AgentResponseUpdate>();
                    if (i % 2 == 0)
                    {
                        await foreach (var update in agent.RunStreamingAsync(request, i % 100 == 0 ? session = await agent.CreateSessionAsync() : session))
                        {
                            updates.Add(update);
                        }
                    }

                    answer = i % 2 == 0 ? updates.ToAgentResponse().Text : (await agent.RunAsync(request, session)).Text;
                }
                else
                {
                    answer = await client.AskAsync(request, new ChatOptions { Tools = [.. tools] }, streaming: i % 2 == 0);
                }

                Assert.Equal($"done {i}", answer);
            }
        }
    }

    /// <summary>Looks at every turn, and has none learned.</summary>
    private sealed class Judge : ITurnJudge
    {
        public ConcurrentQueue<(string Request, bool IsRight, string What)> Seen { get; } = new();

        public ValueTask<bool?> JudgeAsync(TurnReport turn, CancellationToken cancellationToken = default)
        {
            var words = turn.Request!.Split(' ');
            var what = string.Join(", ", turn.Calls.Select(c => $"{c.Action}({c.Arguments.GetProperty("id")}) = {c.Result}"));
            Seen.Enqueue((turn.Request, what == $"first_{words[0]}({words[1]}) = first_{words[0]}:{words[1]}, second_{words[0]}({words[1]}) = second_{words[0]}:{words[1]}" && turn.Usage.ModelCalls == 3, $"{turn.Request}: {what} {turn.Usage}"));
            return ValueTask.FromResult<bool?>(false);
        }
    }
}
