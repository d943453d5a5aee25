using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace ProceduralMemory.Recall;

/// <summary>
/// Stems English words with the Porter stemmer that SQLite brings with it (M. F. Porter, <i>An algorithm for suffix stripping</i>, Program 14, 1980), so that
/// requests and stored texts go through one and the same code, and no stemmer has to be written or referenced.
/// </summary>
internal static class WordStemmer
{
    // A vocabulary has some ten thousand words; more are names and misspellings, which are cheap to stem again.
    private const int MaxKnown = 50_000;
    private const int MaxKnownLength = 40;

    private static readonly ConcurrentDictionary<string, string> Known = new(StringComparer.Ordinal);
    private static readonly Lock Gate = new();
    private static SqliteCommand? StemCommand;

    /// <summary>The stem of each word, in the same order.</summary>
    /// <param name="words">Words of ASCII letters in lower case.</param>
    public static IReadOnlyDictionary<string, string> Stems(IEnumerable<string> words)
    {
        var stems = new Dictionary<string, string>(StringComparer.Ordinal);
        var unknown = new List<string>();
        foreach (var word in words)
        {
            if (Known.TryGetValue(word, out var stem))
            {
                stems[word] = stem;
            }
            else if (stems.TryAdd(word, word))
            {
                unknown.Add(word);
            }
        }

        if (unknown.Count > 0)
        {
            lock (Gate)
            {
                // One token comes back for each word, since words of letters only are not taken apart further.
                StemCommand ??= Open();
                StemCommand.Parameters[0].Value = string.Join(' ', unknown);
                using var reader = StemCommand.ExecuteReader();
                foreach (var word in unknown)
                {
                    reader.Read();
                    var stem = reader.GetString(0);
                    stems[word] = stem;
                    if (word.Length <= MaxKnownLength && Known.Count < MaxKnown)
                    {
                        Known[word] = stem;
                    }
                }
            }
        }

        return stems;
    }

    private static SqliteCommand Open()
    {
        // It holds no data, and lives as long as the process.
        var connection = new SqliteConnection("Data Source=:memory:;Pooling=False");
        connection.Open();
        var command = connection.CreateCommand();
        command.CommandText = "create virtual table stems using fts3tokenize('porter')";
        command.ExecuteNonQuery();
        command.CommandText = "select token from stems where input = @Words";
        command.Parameters.Add("@Words", SqliteType.Text);
        return command;
    }
}
