using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using ProceduralMemory.Benchmarks;

if (args is ["recall", ..])
{
    return await RecallScale.Command().Parse(args[1..]).InvokeAsync();
}

if (args is ["revise", ..])
{
    return await ReviseScale.Command().Parse(args[1..]).InvokeAsync();
}

if (args is ["replay", ..])
{
    return await ReplayScale.Command().Parse(args[1..]).InvokeAsync();
}

// In this process: what is measured are ratios within one run, and a benchmark needs no restore of its own then.
var config = DefaultConfig.Instance
    .AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(3).WithIterationCount(12))
    .HideColumns(Column.Error)
    .WithOptions(ConfigOptions.JoinSummary | ConfigOptions.DisableLogFile);
var summaries = BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args.Length == 0 ? ["--filter", "*"] : args, config);
if (RecordingBenchmarks.Fault is { } fault)
{
    Console.Error.WriteLine($"The figures of RecordingBenchmarks are void. {fault}");
    return 1;
}

return summaries.Any(s => s.HasCriticalValidationErrors || s.Reports.Any(r => !r.Success)) ? 1 : 0;
