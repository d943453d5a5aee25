using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;
using AgentDemo.Model;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace ProceduralMemory.Docs.Tests;

/// <summary>
/// Every C# block of the README and of the pages in docs is compiled and run: as a program of its own, whose output is the output block after it, or, where it has facts,
/// as tests that must pass.
/// </summary>
public sealed partial class DocumentationTests
{
    private static readonly IReadOnlyList<string> Pages =
    [
        "README.md", .. Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "docs"), "*.md").Select(f => $"docs/{Path.GetFileName(f)}").Order(StringComparer.Ordinal),
    ];

    public static TheoryData<string, int> ProgramBlocks => Blocks(tests: false);

    public static TheoryData<string, int> TestBlocks => Blocks(tests: true);

    [Fact]
    public void The_pages_have_code()
    {
        Assert.True(CodeOf("README.md").Count >= 6);
        Assert.True(CodeOf("docs/distilling.md").Count >= 1);
    }

    [Fact]
    public void No_code_is_written_in_a_way_that_is_not_found() =>
        Assert.All(Pages, page => Assert.Equal(AnyCode().Count(Text(page)), CodeOf(page).Count));

    [Theory]
    [MemberData(nameof(ProgramBlocks))]
    public async Task A_program_compiles_runs_and_prints_what_the_page_says(string page, int index)
    {
        var (code, expected) = CodeOf(page)[index];
        var program = Compile(code, page, index, OutputKind.ConsoleApplication);
        var folder = Directory.CreateTempSubdirectory("docs-");
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

    [Theory]
    [MemberData(nameof(TestBlocks))]
    public async Task A_test_of_a_page_passes(string page, int index)
    {
        var path = Compile(CodeOf(page)[index].Code, page, index, OutputKind.DynamicallyLinkedLibrary);
        var facts = Assembly.Load(await File.ReadAllBytesAsync(path)).GetExportedTypes().SelectMany(t => t.GetMethods()).Where(m => m.GetCustomAttribute<FactAttribute>() is not null).ToList();
        File.Delete(path);

        Assert.NotEmpty(facts);
        foreach (var fact in facts)
        {
            await (Task)fact.Invoke(Activator.CreateInstance(fact.DeclaringType!), null)!;
        }
    }

    private static TheoryData<string, int> Blocks(bool tests)
    {
        var blocks = new TheoryData<string, int>();
        foreach (var page in Pages)
        {
            foreach (var (index, (code, _)) in CodeOf(page).Index())
            {
                if (code.Contains("[Fact]", StringComparison.Ordinal) == tests)
                {
                    blocks.Add(page, index);
                }
            }
        }

        return blocks;
    }

    private static List<(string Code, string? Output)> CodeOf(string page) =>
        [.. Code().Matches(Text(page)).Select(m => (m.Groups["code"].Value, m.Groups["output"].Success ? m.Groups["output"].Value : null))];

    private static string Text(string page) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, page));

    private static string Compile(string code, string page, int index, OutputKind kind)
    {
        var name = $"{Path.GetFileNameWithoutExtension(page)}_block_{index}";
        // With the implicit usings of a console project, which is where a reader pastes it.
        const string usings = "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Threading; global using System.Threading.Tasks;";
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(p => MetadataReference.CreateFromFile(p));
        // As the SDK does: a newer assembly in place of the one that a package was built with is told of as CS1701 and CS1702.
        var quiet = new[] { "CS1701", "CS1702" }.ToDictionary(id => id, _ => ReportDiagnostic.Suppress);
        var compilation = CSharpCompilation.Create(
            name,
            [CSharpSyntaxTree.ParseText(usings), CSharpSyntaxTree.ParseText(code)],
            references,
            new CSharpCompilationOptions(kind, nullableContextOptions: NullableContextOptions.Enable, specificDiagnosticOptions: quiet));
        var path = Path.Combine(AppContext.BaseDirectory, name + ".dll");
        var result = compilation.Emit(path);
        var faults = result.Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning).ToList();
        Assert.True(faults.Count == 0, string.Join('\n', faults));
        return path;
    }

    private static async Task<(int ExitCode, string Output, string Error)> RunAsync(string program, string folder, Uri endpoint)
    {
        // Beside the tests' own assemblies and with their dependencies, but as a process of its own in an empty folder.
        var own = Path.Combine(AppContext.BaseDirectory, typeof(DocumentationTests).Assembly.GetName().Name!);
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
    private static partial Regex Code();

    [GeneratedRegex("""^\s*```\s*(?:csharp|cs|c#)""", RegexOptions.Multiline | RegexOptions.IgnoreCase)]
    private static partial Regex AnyCode();
}
