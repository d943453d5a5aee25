using System.CommandLine;
using System.CommandLine.Invocation;
using AgentDemo;
using ProceduralMemory;
using Spectre.Console;

if (Console.IsOutputRedirected)
{
    // A file or a pipe has no width of its own; lines are not to be broken for one that is not there.
    AnsiConsole.Profile.Width = 240;
}

var fresh = new Option<bool>("--fresh") { Description = "Forget what earlier runs learned, and start over." };
var noMemory = new Option<bool>("--no-memory") { Description = "Do the second task without procedural memory, and nothing else." };
var chat = new Option<bool>("--chat") { Description = "Talk to the agent yourself." };
var show = new Option<string[]>("--show") { Description = "Print what a database has learned: FILE, or FILE and the name of a procedure. It is opened read-only.", Arity = new ArgumentArity(1, 2), AllowMultipleArgumentsPerToken = true, HelpName = "FILE [NAME]" };
var database = new Option<string>("--database") { Description = "The database file of the demo; folders that it needs are created.", DefaultValueFactory = _ => DefaultDatabase() };
var command = new RootCommand("A release agent deploys services on this machine: once by reasoning, from then on by replaying what it learned.") { fresh, noMemory, chat, show, database };

foreach (var (one, other) in (ReadOnlySpan<(Option, Option)>)[(chat, noMemory), (fresh, noMemory), (fresh, show), (chat, show), (noMemory, show)])
{
    command.Validators.Add(result =>
    {
        if (result.GetResult(one) is not null && result.GetResult(other) is not null)
        {
            result.AddError($"{one.Name} and {other.Name} do not go together. Leave one of them away.");
        }
    });
}

show.Validators.Add(result => RequireText(result, "--show needs the name of a file, and takes that of a procedure after it."));
database.Validators.Add(result => RequireText(result, "--database needs the name of a file."));

command.SetAction(async (parsed, cancellationToken) =>
{
    try
    {
        if (parsed.GetValue(show) is { Length: > 0 } shown)
        {
            return await ShowAsync(shown[0], shown.ElementAtOrDefault(1), cancellationToken);
        }

        var (talks, withoutMemory) = (parsed.GetValue(chat), parsed.GetValue(noMemory));
        await using var demo = await Demo.StartAsync(AnsiConsole.Console, withoutMemory ? null : parsed.GetRequiredValue(database), parsed.GetValue(fresh), cancellationToken);
        return talks ? await demo.ChatAsync(cancellationToken)
            : withoutMemory ? await demo.RunWithoutMemoryAsync(cancellationToken)
            : await demo.RunAsync(cancellationToken);
    }
    catch (Exception exception) when (exception is ProceduralMemoryException or InvalidOperationException or IOException or UnauthorizedAccessException)
    {
        AnsiConsole.MarkupLineInterpolated(System.Globalization.CultureInfo.InvariantCulture, $"[red]{exception.Message}[/]");
        return 1;
    }
});

var parsed = command.Parse(args);
if (parsed.Action is ParseErrorAction error)
{
    // What is wrong is a line; --help tells the rest to whoever asks.
    error.ShowHelp = false;
}

return await parsed.InvokeAsync();

static void RequireText(System.CommandLine.Parsing.OptionResult result, string message)
{
    if (result.Tokens.Any(t => string.IsNullOrWhiteSpace(t.Value)))
    {
        result.AddError(message);
    }
}

static string DefaultDatabase()
{
    var home = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
    return Path.Combine(home.Length > 0 ? home : Path.GetTempPath(), "procedural-memory-demo", "procedures.db");
}

static async Task<int> ShowAsync(string file, string? name, CancellationToken cancellationToken)
{
    using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = file, ReadOnly = true });
    var found = false;
    var stored = new SortedSet<string>(StringComparer.Ordinal);
    ProcedureNotFoundException? missing = null;
    var scopes = await memory.ListScopesAsync(cancellationToken);
    foreach (var scope in scopes)
    {
        using var session = memory.BeginSession(new MemoryScope(scope));
        try
        {
            var procedures = name is null ? await memory.ListAsync(cancellationToken: cancellationToken) : [await memory.GetAsync(name, cancellationToken: cancellationToken)];
            if (scopes.Count > 1 && procedures.Count > 0)
            {
                AnsiConsole.MarkupLineInterpolated(System.Globalization.CultureInfo.InvariantCulture, $"[grey]in the scope '{scope}':[/]");
            }

            foreach (var procedure in procedures)
            {
                AnsiConsole.Write(ProcedureView.Of(procedure));
                AnsiConsole.WriteLine();
            }

            found = true;
        }
        catch (ProcedureNotFoundException exception)
        {
            // Another scope may have it. Of several that have not, the one with near names has the most to say.
            missing = missing is { NearNames.Count: > 0 } ? missing : exception;
            stored.UnionWith((await memory.ListAsync(cancellationToken: cancellationToken)).Select(p => p.Name));
        }
    }

    if (found || name is null)
    {
        return 0;
    }

    throw missing is { NearNames.Count: > 0 }
        ? missing
        : new InvalidOperationException($"There is no procedure named '{name}' in '{file}'. It holds: {(stored.Count == 0 ? "none" : string.Join(", ", stored))}.");
}
