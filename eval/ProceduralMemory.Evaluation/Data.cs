using System.Buffers.Binary;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Evaluation;

/// <summary>The folder of the evaluation data. Its README is the specification of everything here; nothing of it is copied.</summary>
internal sealed partial class DataFolder(string path)
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, RespectRequiredConstructorParameters = true };

    /// <summary>The folder asked for, else <c>../shared/data</c> beside the current directory, else beside the repository that encloses it or this program.</summary>
    public static DataFolder Find(DirectoryInfo? asked)
    {
        if (asked is not null)
        {
            return asked.Exists ? new DataFolder(asked.FullName) : throw new DataException($"There is no folder '{asked.FullName}'. Give the evaluation data with --data DIR.");
        }

        var roots = new[] { Environment.CurrentDirectory, AppContext.BaseDirectory }.SelectMany(Ancestors).Where(d => File.Exists(Path.Combine(d, "ProceduralMemory.SK.sln")));
        var candidates = roots.Prepend(Environment.CurrentDirectory).Select(d => Path.GetFullPath(Path.Combine(d, "..", "shared", "data"))).ToList();
        return candidates.Find(Directory.Exists) is { } found
            ? new DataFolder(found)
            : throw new DataException($"The evaluation data are not at {string.Join(" nor at ", candidates.Distinct())}. Give their folder with --data DIR.");
    }

    public IReadOnlyList<DataflowTrace> LoadTraces() => Load<DataflowTrace>("dataflow/traces.jsonl");

    public ReplayData LoadReplay() => new(
        Load<Episode>("replay/episodes.jsonl").ToDictionary(e => e.Id, StringComparer.Ordinal),
        Load<Pair>("replay/pairs.jsonl"),
        Load<Schema>("replay/schemas.jsonl").ToDictionary(s => s.Class, StringComparer.Ordinal));

    public RetrievalData LoadRetrieval()
    {
        var docs = Load<RetrievalDoc>("retrieval/docs.jsonl");
        var queries = Load<RetrievalQuery>("retrieval/queries.jsonl");
        if (docs.Count == 0 || queries.Count == 0)
        {
            throw new DataException($"'{Path.Combine(path, "retrieval")}' holds {docs.Count} procedures and {queries.Count} requests: there is nothing to measure.");
        }

        if ((docs.GroupBy(d => d.Id, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) ?? docs.GroupBy(d => d.Name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Count() > 1)) is { } twice)
        {
            throw new DataException($"'retrieval/docs.jsonl' has the procedure '{twice.Key}' more than once.");
        }

        var known = docs.Select(d => d.Id).ToHashSet(StringComparer.Ordinal);
        if (queries.Find(q => q.Relevant.Any(id => !known.Contains(id))) is { } dangling)
        {
            throw new DataException($"The request '{dangling.Id}' of 'retrieval/queries.jsonl' names the procedure '{dangling.Relevant.First(id => !known.Contains(id))}', which 'retrieval/docs.jsonl' does not have.");
        }

        return new RetrievalData(docs, queries, Exists("retrieval/embeddings.jsonl") ? LoadVectors(docs) : null);
    }

    private Dictionary<string, float[]> LoadVectors(List<RetrievalDoc> docs)
    {
        var vectors = Load<TextVector>("retrieval/embeddings.jsonl").GroupBy(e => TextVector.Key(e.Text), StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.First().ToFloats(), StringComparer.Ordinal);
        foreach (var doc in docs)
        {
            // The library names each tool of a procedure once, where the data name it as often as it is called.
            if (vectors.TryGetValue(TextVector.Key($"{doc.Description} {string.Join(' ', doc.Tools)}"), out var vector))
            {
                vectors.TryAdd(TextVector.Key($"{doc.Description} {string.Join(' ', doc.Tools.Distinct(StringComparer.Ordinal))}"), vector);
            }
        }

        return vectors;
    }

    private bool Exists(string file) => File.Exists(Path.Combine(path, file));

    private List<T> Load<T>(string file)
    {
        var full = Path.Combine(path, file);
        if (!File.Exists(full))
        {
            throw new DataException($"There is no file '{full}'. Give the folder of the evaluation data with --data DIR.");
        }

        try
        {
            return [.. File.ReadLines(full).Where(l => l.Length > 0).Select(l => JsonSerializer.Deserialize<T>(WithoutNaN(l), Options)!)];
        }
        catch (Exception exception) when (exception is JsonException or FormatException)
        {
            throw new DataException($"'{full}' is not as its README says: {exception.Message}");
        }
    }

    /// <summary>Some recorded results hold NaN as Python writes it. JSON has no such number; it equals nothing, so null serves.</summary>
    private static string WithoutNaN(string line) =>
        line.Contains("NaN", StringComparison.Ordinal) ? StringOrNaN().Replace(line, m => m.ValueSpan[0] == '"' ? m.Value : "null") : line;

    // A string is matched first, so that NaN inside of one stays.
    [GeneratedRegex("""
        "(?:[^"\\]|\\.)*"|\bNaN\b
        """)]
    private static partial Regex StringOrNaN();

    private static IEnumerable<string> Ancestors(string directory)
    {
        for (var at = new DirectoryInfo(directory); at is not null; at = at.Parent)
        {
            yield return at.FullName;
        }
    }
}

/// <summary>The data are missing or malformed.</summary>
internal sealed class DataException(string message) : Exception(message);

/// <summary>One call of a trace. What it does to the world is known of the episodes, not of the traces with labels.</summary>
internal sealed record RecordedStep(string Function, JsonElement Arguments, JsonElement Result, bool? Mutates = null);

/// <summary>A trace whose argument values are labelled with where they come from.</summary>
internal sealed record DataflowTrace(string Id, string Source, string Template, string Task, IReadOnlyList<UserText> Users, IReadOnlyList<RecordedStep> Steps, IReadOnlyList<Label> Labels);

/// <summary>What a user said, and before which step.</summary>
internal sealed record UserText(int BeforeStep, string Text);

/// <summary>Where the value of one argument leaf comes from.</summary>
internal sealed record Label(int Step, string Arg, string Truth, IReadOnlyList<LabelOrigin>? From = null)
{
    public const string Binding = "binding";
    public const string Input = "input";
    public const string Constant = "constant";
    public const string Skip = "skip";
}

/// <summary>A place in an earlier step's result.</summary>
internal sealed record LabelOrigin(int Step, string Path);

/// <summary>Everything that the replay evaluation reads.</summary>
internal sealed record ReplayData(IReadOnlyDictionary<string, Episode> Episodes, IReadOnlyList<Pair> Pairs, IReadOnlyDictionary<string, Schema> Schemas);

/// <summary>A task that was done once, with the inputs that its caller knew by name.</summary>
internal sealed record Episode(string Id, string Class, string Backend, string Task, JsonElement Inputs, IReadOnlyList<RecordedStep> Steps);

/// <summary>What to learn from, and what to replay then.</summary>
internal sealed record Pair(string Id, string Class, string Backend, int Shots, IReadOnlyList<string> Learn, string Target, bool Trivial, bool HasBinding);

/// <summary>The true role of every argument position of a class of episodes.</summary>
internal sealed record Schema(string Class, IReadOnlyList<SchemaPosition> Positions)
{
    /// <summary>How many different inputs the class truly has.</summary>
    public int Slots => Positions.Where(p => p.Kind == "input").Select(p => p.Slot).Distinct(StringComparer.Ordinal).Count();
}

/// <summary>One position: an argument path of names and indexes, and what stands there.</summary>
internal sealed record SchemaPosition(int Step, IReadOnlyList<JsonElement> Arg, string Kind, string? Slot = null, int? FromStep = null, IReadOnlyList<JsonElement>? Path = null);

/// <summary>Everything that the retrieval evaluation reads; no vectors where the folder holds none.</summary>
internal sealed record RetrievalData(IReadOnlyList<RetrievalDoc> Docs, IReadOnlyList<RetrievalQuery> Queries, IReadOnlyDictionary<string, float[]>? Vectors);

/// <summary>A stored procedure.</summary>
internal sealed record RetrievalDoc(string Id, string Corpus, string Class, string Name, string Description, IReadOnlyList<string> Tools);

/// <summary>A request, and the procedures that do it; none where nothing fits.</summary>
internal sealed record RetrievalQuery(string Id, string Corpus, string Class, string Request, IReadOnlyList<string> Relevant);

/// <summary>What a real model made of a text: base64 of little-endian half-precision floats.</summary>
internal sealed record TextVector(string Text, string Vector)
{
    /// <summary>The letters and digits of a text: where blanks stand in the names of tools, the data and the library do not quite agree.</summary>
    public static string Key(string text) => string.Concat(text.Where(char.IsLetterOrDigit)).ToUpperInvariant();

    public float[] ToFloats()
    {
        var bytes = Convert.FromBase64String(Vector);
        return [.. Enumerable.Range(0, bytes.Length / 2).Select(i => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes.AsSpan(i * 2)))];
    }
}
