using System.Text;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Capture;

/// <summary>What the database file holds of 300 secrets after they have been everywhere that a task brings them.</summary>
public class SecretCorpusTests
{
    private const int Secrets = 300;
    private const int Named = 60;
    private const int TogetherInATask = 12;

    [Fact]
    public async Task Of_300_secrets_in_requests_arguments_results_and_errors_none_reaches_the_database_file()
    {
        using var world = TestMemory.OnFile();
        var shaped = MadeUpSecrets.Shaped(Secrets - Named, seed: 20_310_504).ToList();
        var random = new Random(4);
        var named = Enumerable.Range(0, Named).Select(i => MadeUpSecrets.Named[i % MadeUpSecrets.Named.Count]).Select(n => (n.Name, Text: n.Make(random))).ToList();

        foreach (var (task, i) in shaped.Chunk(TogetherInATask).Select((t, i) => (t, i)))
        {
            await DoAsync(world.Memory, $"shaped_{i}", [.. task.Select(s => ("value", s.Text))]);
        }

        foreach (var (task, i) in named.Chunk(TogetherInATask).Select((t, i) => (t, i)))
        {
            await DoAsync(world.Memory, $"named_{i}", task);
        }

        var needles = shaped.SelectMany(s => MadeUpSecrets.PartsOf(s.Kind, s.Text).Select(p => (s.Kind, Part: p)))
            .Concat(named.Select(n => (Kind: n.Name, Part: n.Text)))
            .ToList();
        Assert.Equal(Secrets, shaped.Count + named.Count);
        Assert.Empty(Found(world.DatabasePath, needles));

        // As it is when the file has been tidied up, too, and every page has been written.
        world.Execute("pragma wal_checkpoint(truncate)");
        Assert.Empty(Found(world.DatabasePath, needles));

        // The search finds what is there.
        Assert.Equal(["harmless"], Found(world.DatabasePath, [("harmless", "nothing to hide")]).Select(f => f.Split(':')[0]).Distinct());
    }

    /// <summary>A task with secrets in its request, its arguments, its results and its errors; then its replay, which completes, and one that fails.</summary>
    private static async Task DoAsync(ProcedureMemory memory, string name, (string Name, string Text)[] secrets)
    {
        var request = $"Do {name} with nothing to hide: {string.Join(" and ", secrets.Select(s => s.Name == "value" ? s.Text : $"{s.Name}: {s.Text}"))}";
        var recorder = await memory.StartRecordingAsync(new RecordingDetails
        {
            Name = name,
            Description = $"Does it, {string.Join(", ", secrets.Take(3).Select(s => s.Name == "value" ? s.Text : $"{s.Name}={s.Text}"))}.",
            Request = request,
            Inputs = Given.Values((secrets[0].Name == "value" ? "case" : secrets[0].Name, Quoted(secrets[0].Text))),
        });
        foreach (var (parameter, secret) in secrets)
        {
            // What only a name tells is told by a name first: of the rest nobody knows that it is a secret.
            await CallAsync("crm.open", Given.Value($$"""{"{{parameter}}":{{Quoted(secret)}}}"""), Result(secret));
            await CallAsync("crm.use", Given.Value($$"""{"note":{{Quoted($"call it with {secret} now")}},"deep":{"list":[{{Quoted(secret)}},1]},"bare":{{Quoted(secret)}}}"""), Result(secret));
            await CallAsync("crm.fail", Given.Value("{}"), null, new StepFailure("Denied", $"'{secret}' was not accepted"));
        }

        await recorder.RecordStepAsync(new TraceStep { Action = $"say {secrets[0].Text}", Kind = StepKind.Manual, Outcome = secrets[0].Text, Notes = $"notes on {secrets[0].Text}" });
        var procedure = (await recorder.FinalizeAsync($"remember {secrets[0].Text}")).Procedure!;

        var given = procedure.Version.Inputs.ToDictionary(i => i.Name, i => i.Type is JsonType.Number or JsonType.Integer ? Given.Value("1") : Given.Text(secrets[0].Text));
        var manual = procedure.Version.Steps.Where(s => s.Kind is StepKind.Manual).Select(s => s.Id).ToList();
        var works = new ScriptedExecutor().On("crm.open", (_, _) => new StepCallResult { Result = Result(secrets[0].Text) }).On("crm.use", (_, _) => new StepCallResult { Result = Result(secrets[0].Text) });
        var completed = await memory.ReplayAsync(works, name, new ReplayRequest { Inputs = given, Skip = manual, Request = request });
        Assert.True(completed.Outcome is ReplayOutcome.Completed, completed.Message);
        var fails = new ScriptedExecutor().Fails("crm.open", $"{secrets[0].Text} is wrong");
        Assert.Equal(ReplayOutcome.Failed, (await memory.ReplayAsync(fails, name, new ReplayRequest { Inputs = given, Skip = manual, Request = request })).Outcome);

        async Task CallAsync(string action, JsonElement arguments, JsonElement? result, StepFailure? failure = null) =>
            await recorder.CompleteStepAsync(recorder.BeginStep(action, arguments)!, result, failure);
    }

    private static JsonElement Result(string secret) => Given.Value($$"""
        {"text":{{Quoted($"made {secret}.")}},"bare":{{Quoted(secret)}},"rows":[ {"cell":{{Quoted(secret)}} } ],"byKey":{ {{Quoted(secret)}}:{"uses":3} },"ok":true}
        """);

    private static string Quoted(string text) => JsonSerializer.Serialize(text);

    /// <summary>What stands in the database's files, as it is and as JSON writes it.</summary>
    private static List<string> Found(string database, IReadOnlyList<(string Kind, string Part)> needles)
    {
        SqliteConnection.ClearAllPools();
        var found = new List<string>();
        foreach (var file in new[] { database, database + "-wal", database + "-shm" }.Where(File.Exists))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            foreach (var (kind, part) in needles)
            {
                var spellings = new[] { part, Quoted(part)[1..^1], Uri.EscapeDataString(part) }.Distinct();
                found.AddRange(spellings.Where(s => bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(s)) >= 0).Select(s => $"{kind}: {s} in {Path.GetExtension(file)}"));
            }
        }

        return found;
    }
}
