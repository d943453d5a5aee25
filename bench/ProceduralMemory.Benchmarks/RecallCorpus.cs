using System.Globalization;
using System.Numerics.Tensors;
using System.Text;
using Microsoft.Extensions.AI;

namespace ProceduralMemory.Benchmarks;

/// <summary>Made-up procedures and requests for them: the same ones every time, whatever the number of procedures.</summary>
internal sealed class RecallCorpus
{
    private const int Words = 20_000;
    private const int Actions = 200;

    private static readonly string[] Verbs =
    [
        "add", "archive", "assign", "book", "cancel", "check", "close", "compare", "copy", "count", "create", "delete", "deploy", "export", "fetch", "find", "import", "invite",
        "list", "merge", "move", "notify", "open", "order", "plan", "publish", "read", "refund", "rename", "report", "restore", "return", "review", "search", "send", "share",
        "start", "stop", "update", "upload",
    ];

    private static readonly string[] Objects =
    [
        "account", "address", "alert", "appointment", "article", "backup", "booking", "branch", "budget", "build", "calendar", "campaign", "card", "cart", "channel", "client",
        "comment", "contact", "contract", "coupon", "customer", "dashboard", "database", "device", "document", "draft", "employee", "event", "expense", "file", "flight", "folder",
        "form", "group", "hotel", "image", "invoice", "issue", "item", "job", "label", "lead", "license", "mailbox", "meeting", "member", "message", "metric", "note", "offer",
        "order", "package", "page", "payment", "permission", "playlist", "policy", "post", "price", "product", "profile", "project", "quote", "record", "release", "reminder",
        "repository", "reservation", "role", "room", "schedule", "server", "service", "shift", "shipment", "song", "statement", "subscription", "supplier", "survey", "table", "task",
        "team", "template", "thread", "ticket", "transaction", "transfer", "user", "vehicle", "version", "video", "visit", "voucher", "warehouse", "webhook", "workflow",
    ];

    private static readonly string[] Inputs = ["id", "name", "email", "date", "amount", "status", "city", "limit", "owner", "title", "region", "currency", "quantity", "reason", "address"];

    private readonly string[] _words = new string[Words];
    private readonly double[] _upTo = new double[Words];
    private readonly (string Name, string Verb, string Object)[] _actions = new (string, string, string)[Actions];

    public RecallCorpus()
    {
        var random = new Random(20_000);
        string[] onsets = ["b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "tr", "v", "w", "z"];
        string[] vowels = ["a", "e", "i", "o", "u", "ai", "ea", "ou"];
        string[] codas = ["", "", "n", "r", "l", "m", "k", "nd", "rt"];
        var known = new HashSet<string>(StringComparer.Ordinal);
        var sum = 0.0;
        for (var i = 0; i < Words;)
        {
            var word = string.Concat(Enumerable.Range(0, random.Next(2, 4)).Select(_ => onsets[random.Next(onsets.Length)] + vowels[random.Next(vowels.Length)] + codas[random.Next(codas.Length)]));
            if (known.Add(word))
            {
                _words[i] = word;
                _upTo[i] = sum += 1.0 / (i + 1);
                i++;
            }
        }

        for (var i = 0; i < Actions; i++)
        {
            var (verb, noun) = (Verbs[i % Verbs.Length], Objects[i * 7 % Objects.Length]);
            _actions[i] = ($"{Word(random)}.{verb}_{noun}", verb, noun);
        }
    }

    /// <summary>The n-th procedure. Its first action says what it is about, as real ones do.</summary>
    public GeneratedProcedure Procedure(int number)
    {
        var random = new Random(number);
        var actions = Enumerable.Range(0, random.Next(2, 6)).Select(_ => _actions[Skewed(random, Actions)]).Distinct().ToList();
        var main = actions[0];
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{char.ToUpperInvariant(main.Verb[0])}{main.Verb[1..]} the {Word(random)} {main.Object} of the {Word(random)}");
        text.Append(CultureInfo.InvariantCulture, $" and {Verbs[random.Next(Verbs.Length)]} {Phrase(random, random.Next(2, 6))} to {Phrase(random, random.Next(1, 4))}.");
        if (random.Next(2) == 0)
        {
            text.Append(CultureInfo.InvariantCulture, $" Then {actions[^1].Verb} the {actions[^1].Object} with {Phrase(random, random.Next(2, 6))}.");
        }

        return new GeneratedProcedure(
            string.Create(CultureInfo.InvariantCulture, $"{main.Verb}-{main.Object}-{Word(random)}-{number}"),
            text.ToString(),
            [.. actions.Select(a => a.Name)],
            [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Inputs[random.Next(Inputs.Length)]).Distinct()]);
    }

    /// <summary>A request as a user would word it: some of a procedure's words, and others.</summary>
    public string Request(int number, int procedures)
    {
        var random = new Random(-number - 1);
        var procedure = Procedure(random.Next(procedures));
        var words = procedure.Description.Replace(".", "", StringComparison.Ordinal).Split(' ').Where(_ => random.Next(10) < 6).ToList();
        return $"Please {string.Join(' ', words).ToLowerInvariant()} for the {Phrase(random, 2)}";
    }

    private string Phrase(Random random, int words) => string.Join(' ', Enumerable.Range(0, words).Select(_ => Word(random)));

    /// <summary>A word, the n-th as often as the first divided by n.</summary>
    private string Word(Random random)
    {
        var place = Array.BinarySearch(_upTo, random.NextDouble() * _upTo[^1]);
        return _words[Math.Min(place < 0 ? ~place : place, Words - 1)];
    }

    private static int Skewed(Random random, int count) => (int)(Math.Pow(random.NextDouble(), 1.5) * count);
}

/// <summary>A made-up procedure.</summary>
internal sealed record GeneratedProcedure(string Name, string Description, IReadOnlyList<string> Actions, IReadOnlyList<string> Inputs);

/// <summary>Vectors without a model: the sum of a random direction for each word. They have the size of real ones, and prove nothing about quality.</summary>
internal sealed class WordSums(int dimensions) : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly Dictionary<string, float[]> _words = new(StringComparer.Ordinal);

    public const string Model = "sums-of-random-directions";

    /// <summary>How long making vectors took, in ticks of the stopwatch.</summary>
    public long Ticks { get; private set; }

    public float[] Of(string text)
    {
        var sum = new float[dimensions];
        foreach (var word in text.ToLowerInvariant().Split([' ', '.', '_', '-'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (!_words.TryGetValue(word, out var direction))
            {
                var random = new Random(word.Aggregate(17, (hash, c) => unchecked((hash * 31) + c)));
                _words[word] = direction = [.. Enumerable.Range(0, dimensions).Select(_ => (random.NextSingle() * 2) - 1)];
            }

            TensorPrimitives.Add(sum, direction, sum);
        }

        var length = TensorPrimitives.Norm<float>(sum);
        TensorPrimitives.Divide(sum, length, sum);
        return sum;
    }

    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        var started = TimeProvider.System.GetTimestamp();
        var made = new GeneratedEmbeddings<Embedding<float>>(values.Select(v => new Embedding<float>(Of(v))));
        Ticks += TimeProvider.System.GetTimestamp() - started;
        return Task.FromResult(made);
    }

    public object? GetService(Type serviceType, object? serviceKey = null) => serviceType == typeof(EmbeddingGeneratorMetadata) ? new EmbeddingGeneratorMetadata("random", defaultModelId: Model) : null;

    public void Dispose()
    {
    }
}
