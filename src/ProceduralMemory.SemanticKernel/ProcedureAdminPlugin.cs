using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// What an administrator's agent needs besides: look at procedures, store, improve and merge them. Kept apart from <see cref="ProceduralMemoryPlugin"/>,
/// so that an agent at work does not pay for it. Nothing here makes a draft active: that is for a person, through <see cref="ProcedureMemory.ActivateVersionAsync"/>.
/// </summary>
public sealed class ProcedureAdminPlugin
{
    private static readonly JsonSerializerOptions DefinitionOptions = new(JsonSerializerDefaults.Web)
    {
        AllowDuplicateProperties = false,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    private readonly ProcedureMemory _memory;
    private readonly PluginGuard _guard;

    /// <summary>Creates the plugin. Add it with <c>kernel.Plugins.AddFromObject(plugin, "procedure_admin")</c>.</summary>
    /// <param name="memory">The memory that it works on.</param>
    /// <param name="loggerFactory">Where it logs.</param>
    public ProcedureAdminPlugin(ProcedureMemory memory, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        _guard = new PluginGuard((loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory.SemanticKernel"));
    }

    /// <summary>Lists the stored procedures.</summary>
    [KernelFunction("list_procedures")]
    [Description("Lists the stored procedures with their success.")]
    public Task<PluginReply> ListAsync([Description("Only those with this tag")] string? tag = null, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "list_procedures",
        async () => List(
            (await _memory.ListAsync(string.IsNullOrWhiteSpace(tag) ? null : [tag], cancellationToken: cancellationToken).ConfigureAwait(false))
                .Select(p => (object)Replies.Summary(p, score: null, fillsSecrets: _memory.FillsSecrets)),
            "procedures"),
        cancellationToken);

    /// <summary>Shows a procedure.</summary>
    [KernelFunction("get_procedure")]
    [Description("Shows a procedure: its inputs, and its steps with the source of each argument.")]
    public Task<PluginReply> GetAsync([Description("The procedure's name")] string name, [Description("The version; the active one if left out")] int? version = null, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "get_procedure",
        async () => Show(await _memory.GetAsync(Name(name), version, cancellationToken).ConfigureAwait(false), ReplyStatus.Ok, message: null),
        cancellationToken);

    /// <summary>Lists the versions of a procedure.</summary>
    [KernelFunction("list_versions")]
    [Description("Lists the versions of a procedure: what made each, its state and its success.")]
    public Task<PluginReply> ListVersionsAsync([Description("The procedure's name")] string name, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "list_versions",
        async () => List(
            (await _memory.ListVersionsAsync(Name(name), cancellationToken).ConfigureAwait(false)).Select(v => (object)new
            {
                version = v.Number,
                reason = Word(v.Reason),
                state = Word(v.State),
                steps = v.Steps.Count,
                executions = v.Statistics.Executions,
                success_rate = v.Statistics.SuccessRate is { } rate ? Math.Round(rate, 3) : (double?)null,
                mean_ms = v.Statistics.MeanDuration is { } mean ? Math.Round(mean.TotalMilliseconds, 1) : (double?)null,
            }),
            "versions"),
        cancellationToken);

    /// <summary>Tells what was learned and when.</summary>
    [KernelFunction("procedure_history")]
    [Description("Tells what was learned of a procedure and when: its versions with what each changed and how it did, and what was decided in between.")]
    public Task<PluginReply> HistoryAsync([Description("The procedure's name")] string name, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "procedure_history",
        async () => Text((await _memory.GetHistoryAsync(Name(name), cancellationToken).ConfigureAwait(false)).ToString()),
        cancellationToken);

    /// <summary>Compares two versions.</summary>
    [KernelFunction("compare_versions")]
    [Description("Tells what differs between two versions of a procedure.")]
    public Task<PluginReply> CompareVersionsAsync([Description("The procedure's name")] string name, [Description("The number of the one")] int before, [Description("The number of the other one")] int after, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "compare_versions",
        async () => Text((await _memory.CompareVersionsAsync(Name(name), before, after, cancellationToken).ConfigureAwait(false)).ToString()),
        cancellationToken);

    /// <summary>Goes back to the version before the active one.</summary>
    [KernelFunction("roll_back_procedure")]
    [Description("Goes back to the version from which the active one was made, where the active one does worse. Nothing is lost.")]
    public Task<PluginReply> RollBackAsync([Description("The procedure's name")] string name, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "roll_back_procedure",
        async () =>
        {
            var procedure = await _memory.RollBackAsync(Name(name), cancellationToken: cancellationToken).ConfigureAwait(false);
            return Show(procedure, ReplyStatus.Ok, string.Create(CultureInfo.InvariantCulture, $"'{procedure.Name}' is at version {procedure.Version.Number} again."));
        },
        cancellationToken);

    /// <summary>Lists executions.</summary>
    [KernelFunction("list_executions")]
    [Description("Lists the latest replays and how they ended.")]
    public Task<PluginReply> ListExecutionsAsync([Description("Only those of this procedure")] string? name = null, [Description("How many at most")] int limit = 20, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "list_executions",
        async () => List(
            (await _memory.ListExecutionsAsync(string.IsNullOrWhiteSpace(name) ? null : name, limit: Math.Clamp(limit, 1, 200), cancellationToken: cancellationToken).ConfigureAwait(false)).Select(e => (object)new
            {
                execution_id = e.Id,
                procedure = e.ProcedureName,
                version = e.Version,
                outcome = Word(e.Outcome),
                started_at = e.StartedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
                duration_ms = e.Duration is { } duration ? Math.Round(duration.TotalMilliseconds, 1) : (double?)null,
                message = e.Message,
            }),
            "executions"),
        cancellationToken);

    /// <summary>Stores a procedure that was not recorded.</summary>
    [KernelFunction("store_procedure")]
    [Description("Stores a procedure that was not recorded. Strings in arguments may be expressions: $inputs.name, or $steps.id.outputs#/json/pointer for the result of an earlier step.")]
    public Task<PluginReply> StoreAsync(
        [Description("The procedure's name")] string name,
        [Description("What it achieves, in a sentence")] string description,
        [Description("""JSON array of steps, such as [{"id":"get_order","action":"shop.get_order","arguments":{"order_id":"$inputs.order_id"},"expectation":{"kind":"subset","value":{"status":"open"}}}]. Kinds of expectation: exact, subset, shape (JSON Schema), range ({"minimum":1}), pattern (regular expression), contains, noError (without value), custom (with "judge"); "at" a JSON pointer for a part of the result""")] object steps,
        [Description("""JSON array of inputs, such as [{"name":"order_id","type":"string","description":"the order"}]""")] object? inputs = null,
        [Description("True to add a version to a procedure of that name")] bool asNewVersion = false,
        CancellationToken cancellationToken = default) => _guard.RunAsync(
            "store_procedure",
            async () =>
            {
                var definition = new ProcedureDefinition
                {
                    Name = name,
                    Description = description ?? "",
                    Inputs = Read<IReadOnlyList<ProcedureInput>>(inputs, "inputs") ?? [],

                    // What a step does to the world is for the host to declare, not for a model.
                    Steps = [.. (Read<IReadOnlyList<ProcedureStep>>(steps, "steps") ?? []).Select(s => s with { Effect = StepEffect.Unknown })],
                };
                var stored = await _memory.StoreAsync(definition, asNewVersion, ProcedureOrigin.Agent, cancellationToken).ConfigureAwait(false);
                return Show(stored, ReplyStatus.Stored, string.Create(CultureInfo.InvariantCulture, $"'{stored.Name}' is stored as version {stored.Version.Number}."));
            },
            cancellationToken);

    /// <summary>Improves a procedure from its statistics.</summary>
    [KernelFunction("optimize_procedure")]
    [Description("Makes a better version of a procedure from its statistics: removes optional steps that mostly fail, flags slow ones and others that fail. Needs a few executions.")]
    public Task<PluginReply> OptimizeAsync([Description("The procedure's name")] string name, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "optimize_procedure",
        async () =>
        {
            var result = await _memory.OptimizeAsync(Name(name), cancellationToken: cancellationToken).ConfigureAwait(false);
            return Show(result.Procedure, ReplyStatus.Ok, result.Message);
        },
        cancellationToken);

    /// <summary>Merges procedures that do the same.</summary>
    [KernelFunction("merge_procedures")]
    [Description("Keeps the most efficient of some procedures that do the same, and retires the others.")]
    public Task<PluginReply> MergeAsync([Description("JSON array of at least two procedure names")] object names, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "merge_procedures",
        async () =>
        {
            var given = ModelArgument.Strings(names, "names");
            if (given.Any(string.IsNullOrWhiteSpace) || given.Distinct(StringComparer.OrdinalIgnoreCase).Count() < 2)
            {
                throw new ModelArgumentException("'names' must name at least two different procedures, such as those that list_similar_procedures gave.");
            }

            var result = await _memory.MergeAsync(given, cancellationToken).ConfigureAwait(false);
            return Show(result.Kept, ReplyStatus.Ok, $"'{result.Kept.Name}' is kept; {string.Join(", ", result.Merged.Select(n => $"'{n}'"))} retired.");
        },
        cancellationToken);

    /// <summary>Lists procedures that do the same.</summary>
    [KernelFunction("list_similar_procedures")]
    [Description("Lists groups of procedures that do the same and could be merged, the most efficient first in each.")]
    public Task<PluginReply> ListSimilarAsync(CancellationToken cancellationToken = default) => _guard.RunAsync(
        "list_similar_procedures",
        async () => List(
            (await _memory.ListSimilarAsync(cancellationToken: cancellationToken).ConfigureAwait(false)).Select(g => (object)g.Select(p => p.Name).ToList()),
            "groups"),
        cancellationToken);

    /// <summary>Exports a procedure.</summary>
    [KernelFunction("export_procedure")]
    [Description("Gives a procedure as a JSON document, for review or for another machine; without the example values of its inputs.")]
    public Task<PluginReply> ExportAsync([Description("The procedure's name")] string name, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "export_procedure",
        async () => new ListReply { Status = ReplyStatus.Ok, Message = $"'{name}' as a document.", Items = [JsonElement.Parse(await _memory.ExportDocumentAsync(Name(name), version: null, withoutValuesSeen: true, cancellationToken).ConfigureAwait(false))] },
        cancellationToken);

    /// <summary>Imports a procedure as a draft.</summary>
    [KernelFunction("import_procedure")]
    [Description("Takes a JSON document that export_procedure gave. It becomes a draft, which a person has to activate.")]
    public Task<PluginReply> ImportAsync([Description("The document")] object document, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "import_procedure",
        async () =>
        {
            var json = ModelArgument.Element(document);
            var imported = await _memory.ImportAsync(json.ValueKind is JsonValueKind.Undefined ? "" : json.GetRawText(), cancellationToken).ConfigureAwait(false);
            return Show(imported, ReplyStatus.Stored, string.Create(CultureInfo.InvariantCulture, $"'{imported.Name}' is a draft, version {imported.Version.Number}. A person has to activate it."));
        },
        cancellationToken);

    /// <summary>Gives up the recording in progress.</summary>
    [KernelFunction("abandon_recording")]
    [Description("Gives up the recording in progress. Nothing is stored as a procedure.")]
    public Task<PluginReply> AbandonAsync(Kernel kernel, CancellationToken cancellationToken = default) => _guard.RunAsync(
        "abandon_recording",
        async () =>
        {
            if (KernelSessions.Find(_memory, kernel)?.Recorder is not { } recorder)
            {
                return new PluginReply { Status = ReplyStatus.Conflict, Message = "Nothing is being recorded." };
            }

            await recorder.AbandonAsync(cancellationToken).ConfigureAwait(false);
            return new PluginReply { Status = ReplyStatus.Ok, Message = $"The recording '{recorder.Name}' is given up." };
        },
        cancellationToken);

    private static string Name(string? name) => ModelArgument.Required(name, "name", "Give the name of a procedure that list_procedures gave.");

    private static ProcedureReply Show(Procedure procedure, string status, string? message) => new()
    {
        Status = status,
        Message = message ?? string.Create(CultureInfo.InvariantCulture, $"'{procedure.Name}': {procedure.Description} (version {procedure.Version.Number}, {Word(procedure.Version.State)})"),
        Name = procedure.Name,
        Version = procedure.Version.Number,
        Inputs = Replies.Inputs(procedure.Version.Inputs),
        Steps = Replies.Steps(procedure.Version.Steps),
    };

    private static PluginReply Text(string text) => new() { Status = ReplyStatus.Ok, Message = text };

    private static ListReply List(IEnumerable<object> items, string what)
    {
        var elements = items.Select(i => JsonSerializer.SerializeToElement(i, i.GetType())).ToList();
        return new ListReply { Status = ReplyStatus.Ok, Message = string.Create(CultureInfo.InvariantCulture, $"{elements.Count} {what}."), Items = elements };
    }

    private static T? Read<T>(object? argument, string name)
        where T : class
    {
        var value = ModelArgument.Element(argument);
        if (value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null)
        {
            return null;
        }

        try
        {
            return value.Deserialize<T>(DefinitionOptions);
        }
        catch (JsonException exception)
        {
            throw new ModelArgumentException($"'{name}' cannot be read{(exception.Path is { } path ? $" at {path}" : "")}. See the example in the description.", exception);
        }
    }

    private static string Word<TEnum>(TEnum value)
        where TEnum : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
