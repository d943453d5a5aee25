using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>
/// Procedures that look as if they could be improved: one of their reads repeats another, and a step may fail. Of the steady ones it does so mostly, and they need neither it nor the repeat; the spoilt ones fail without
/// the repeat. All steps of a version say the same edition, by which parts of two versions would be told apart.
/// </summary>
public static class Practice
{
    private const int OfEachKind = 3;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. new[] { "steady", "spoilt" }.SelectMany(kind => Enumerable.Range(0, OfEachKind).Select(n => string.Create(CultureInfo.InvariantCulture, $"{kind}-{n}")))];

    /// <summary>The memory of a worker that practises, and of the one that revises beside it: only that one decides. Every other replay is a candidate's, so that many are decided.</summary>
    public static ProcedureMemory Open(string database) => new(new ProceduralMemoryOptions { DatabasePath = database, Approval = ApprovalPolicy.Never, ReviewAfterReplay = false, CandidateShare = 0.5, BusyTimeout = Work.BusyTimeout });

    /// <summary>Stores a procedure, or another edition of it.</summary>
    public static Task<Procedure> StoreAsync(ProcedureMemory memory, string name, string edition)
    {
        return memory.StoreAsync(
            new ProcedureDefinition
            {
                Name = name,
                Description = $"Practise {name}",
                Inputs = [new ProcedureInput { Name = "order", Type = JsonType.String }],
                Steps = [Step("look"), Step("note") with { OnFailure = FailurePolicy.Continue }, Step("again", "look"), Step("use", more: ""","item":"$steps.again.outputs#/item" """)],
            },
            asNewVersion: true);

        ProcedureStep Step(string id, string? action = null, string more = "") => new()
        {
            Id = id,
            Action = $"practice.{action ?? id}",
            Effect = StepEffect.Read,
            Arguments = JsonElement.Parse($$"""{"order":"$inputs.order","edition":"{{edition}}"{{more}}}"""),
        };
    }

    /// <summary>Gives what the functions give in one replay.</summary>
    public static AnsweringExecutor Host(string name, bool notes)
    {
        var (looks, isSpoilt) = (0, name.StartsWith("spoilt", StringComparison.Ordinal));
        return new AnsweringExecutor(call =>
        {
            looks += call.Action == "practice.look" ? 1 : 0;
            return call.Action switch
            {
                "practice.note" when !notes && !isSpoilt => throw new InvalidOperationException("The note fails on purpose."),
                "practice.use" when looks == 1 && isSpoilt => throw new InvalidOperationException("It takes two looks."),
                _ => JsonSerializer.Serialize(new { item = call.Arguments.GetProperty("order").GetString() }),
            };
        });
    }

    /// <summary>A step as it was called, or stands in a version.</summary>
    public static string Describe(string stepId, JsonElement arguments) => $"{stepId}@{(arguments.TryGetProperty("edition", out var edition) ? edition.GetString() : "")}";
}
