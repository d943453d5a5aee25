using System.ComponentModel.DataAnnotations;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Capture;

public class ExclusionTests
{
    [Theory]
    [InlineData("vault.open")]
    [InlineData("VAULT.Open")]
    [InlineData("vault.*")]
    public async Task A_function_that_is_excluded_is_as_if_it_was_not_called(string pattern)
    {
        using var world = TestMemory.InMemory(o => o.ExcludedFunctions = [pattern]);
        var recorder = await world.Memory.StartRecordingAsync(new RecordingDetails { Name = "task" });

        Assert.Null(recorder.BeginStep("vault.open", Given.Value("""{"door":"north-7"}""")));
        await recorder.RecordStepAsync(new TraceStep { Action = "vault.open", Arguments = Given.Value("""{"door":"north-7"}""") });
        await recorder.CompleteStepAsync(recorder.BeginStep("vaults.list", Given.Value("{}"))!, Given.Value("[]"));
        var result = await recorder.FinalizeAsync();

        Assert.Equal(["vaults.list"], result.Procedure!.Version.Steps.Select(s => s.Action));
        Assert.Equal(["vaults.list"], (await world.Memory.GetTraceAsync(result.TraceId))!.Steps.Select(s => s.Action));
        Assert.Empty(result.FailedCalls);
        Assert.DoesNotContain("north-7", world.Dump(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("read_file", "read_file", true)]
    [InlineData("vault.*", "vault_get", true)]
    [InlineData("vault.*", "vault-get", true)]
    [InlineData("vault.get", "vault_get", true)]
    [InlineData("vault_get", "vault.get", true)]
    [InlineData("vault.*", "vaults_get", false)]
    [InlineData("read", "read_file", false)]
    public async Task A_function_is_excluded_by_the_name_that_models_call_it_by(string pattern, string action, bool isExcluded)
    {
        using var world = TestMemory.InMemory(o => o.ExcludedFunctions = [pattern]);
        var recorder = await world.Memory.StartRecordingAsync(new RecordingDetails { Name = "task" });

        Assert.Equal(isExcluded, recorder.BeginStep(action, Given.Value("{}")) is null);
    }

    [Fact]
    public async Task A_call_that_is_excluded_leaves_no_hole_in_a_recording_that_has_ended_or_is_full()
    {
        using var world = TestMemory.InMemory(o => (o.ExcludedFunctions, o.MaxSteps) = (["vault.*"], 1));
        var recorder = await world.Memory.StartRecordingAsync(new RecordingDetails { Name = "task" });
        await recorder.CompleteStepAsync(recorder.BeginStep("shop.list", Given.Value("{}"))!, Given.Value("[]"));

        Assert.Null(recorder.BeginStep("vault.open", Given.Value("{}")));
        Assert.False(recorder.IsIncomplete);
    }

    [Theory]
    [InlineData("diagnosis")]
    [InlineData("DIAGNOSIS")]
    [InlineData("clinic.file/diagnosis")]
    [InlineData("clinic.*/Diagnosis")]
    public async Task The_value_of_a_parameter_that_is_excluded_is_kept_nowhere_and_has_to_be_given(string pattern)
    {
        using var world = TestMemory.InMemory(o => o.ExcludedParameters = [pattern]);
        await world.Memory.RecordedAsync(new RecordingDetails { Name = "task" }, ("clinic.file", """{"diagnosis":"gout in the left toe","ward":"W3"}""", """{"ok":true}"""));
        var executor = new ScriptedExecutor();

        var without = await world.Memory.ReplayAsync(executor, "task", Given.With(("ward", "\"W3\"")));
        var with = await world.Memory.ReplayAsync(executor, "task", Given.With(("ward", "\"W3\""), ("diagnosis", "\"measles since Monday\"")));

        Assert.Equal([ReplayProblemCodes.MissingInput], without.Problems.Where(p => p.InputName == "diagnosis").Select(p => p.Code));
        Assert.Equal(ReplayOutcome.Completed, with.Outcome);
        Assert.Equal("measles since Monday", executor.Calls.Single().Arguments.GetProperty("diagnosis").GetString());
        Assert.DoesNotContain("gout", world.Dump(), StringComparison.Ordinal);
        if (!pattern.Contains('/', StringComparison.Ordinal))
        {
            // An input belongs to no function, so that only its name can exclude it.
            Assert.DoesNotContain("measles", world.Dump(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_parameter_of_another_function_is_kept()
    {
        using var world = TestMemory.InMemory(o => o.ExcludedParameters = ["clinic.file/note"]);

        var procedure = await world.Memory.RecordedAsync(new RecordingDetails { Name = "task" }, ("shop.file", """{"note":"urgent"}""", """{"ok":true}"""));

        Assert.Equal("urgent", Assert.Single(procedure.Version.Inputs).Default!.Value.GetString());
    }

    [Theory]
    [InlineData("vault*", "ExcludedFunctions: 'vault*' names no functions. Write the name of a function, plugin.function, or plugin.* for all of a plugin.", null)]
    [InlineData("clinic.file/note", "ExcludedFunctions: 'clinic.file/note' names no functions. Write the name of a function, plugin.function, or plugin.* for all of a plugin.", null)]
    [InlineData(null, "ExcludedParameters: 'vault/' names no parameters. Write the name of a parameter, or function/name or plugin.function/name for that of one function.", "vault/")]
    [InlineData(null, "ExcludedParameters: 'vault*/pin' names no parameters. Write the name of a parameter, or function/name or plugin.function/name for that of one function.", "vault*/pin")]
    [InlineData(null, "ExcludedParameters: '' names no parameters. Write the name of a parameter, or function/name or plugin.function/name for that of one function.", "")]
    public void A_pattern_that_names_nothing_is_refused_before_anything_is_recorded(string? functions, string message, string? parameters)
    {
        var options = new ProceduralMemoryOptions { ExcludedFunctions = functions is null ? [] : [functions], ExcludedParameters = parameters is null ? [] : [parameters] };

        Assert.Contains(message, Assert.Throws<ValidationException>(options.Validate).Message, StringComparison.Ordinal);
    }
}
