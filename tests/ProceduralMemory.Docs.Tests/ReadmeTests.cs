using System.Diagnostics;
using System.Text.RegularExpressions;
using AgentDemo.Model;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace ProceduralMemory.Docs.Tests;

/// <summary>Every C# block of the README is compiled and run as a program of its own; an output block after it is what it must print.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string Readme = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md"));

    public static TheoryData<int> Blocks => [.. Enumerable.Range(0, Programs().Count)];

    [Fact]
    public void The_readme_has_programs() => Assert.True(Programs().Count >= 4);

    [Theory]
    [MemberData(nameof(Blocks))]
    public async Task A_program_of_the_readme_compiles_runs_and_prints_what_it_says(int index)
    {
        var (code, expected) = Programs()[index];
        var program = Compile(code, $"readme_block_{index}");
        var folder = Directory.CreateTempSubdirectory("readme-");
        await using var model = new ChatCompletionsServer(_ => ModelTurn.Say("A lamp is on its way."));
        await model.StartAsync(CancellationToken.None);
        try
        {
            var (exitCode, output, error) = await RunAsync(program, folder.FullName, model.Endpoint);
            Assert.True(exitCode == 0, $"The program ended with {exitCode}: {error}");
            if (expected is not null)
            {
                Assert.Equal(expected.Trim(), output.Trim().ReplaceLineEndings("\n"));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
            File.Delete(program);
        }
    }

    private static List<(string Code, string? Output)> Programs() =>
        [.. Program().Matches(Readme).Select(m => (m.Groups["code"].Value, m.Groups["output"].Success ? m.Groups["output"].Value : null))];

    private static string Compile(string code, string name)
    {
        // With the implicit usings of a console project, which is where a reader pastes it.
        const string usings = "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Threading; global using System.Threading.Tasks;";
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(p => MetadataReference.CreateFromFile(p));
        var compilation = CSharpCompilation.Create(
            name,
            [CSharpSyntaxTree.ParseText(usings), CSharpSyntaxTree.ParseText(code)],
            references,
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        var path = Path.Combine(AppContext.BaseDirectory, name + ".dll");
        var result = compilation.Emit(path);
        var faults = result.Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning).ToList();
        Assert.True(faults.Count == 0, string.Join('\n', faults));
        return path;
    }

    private static async Task<(int ExitCode, string Output, string Error)> RunAsync(string program, string folder, Uri endpoint)
    {
        // Beside the tests' own assemblies and with their dependencies, but as a process of its own in an empty folder.
        var own = Path.Combine(AppContext.BaseDirectory, typeof(ReadmeTests).Assembly.GetName().Name!);
        var start = new ProcessStartInfo("dotnet", ["exec", "--depsfile", own + ".deps.json", "--runtimeconfig", own + ".runtimeconfig.json", program])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["OPENAI_BASE_URL"] = endpoint.ToString(), ["OPENAI_API_KEY"] = "none" },
        };
        using var process = Process.Start(start)!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync();
            var error = process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            return (process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    [GeneratedRegex("""^```csharp\n(?<code>.*?)^```\n(?:\n```output\n(?<output>.*?)^```\n)?""", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Program();
}
