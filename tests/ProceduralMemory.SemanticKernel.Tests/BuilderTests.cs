using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>The ways in which a host adds the memory.</summary>
public sealed class BuilderTests
{
    [Fact]
    public async Task One_line_with_a_path_is_enough_and_the_file_keeps_what_was_learned()
    {
        var folder = Directory.CreateTempSubdirectory("procedural-memory-");
        var path = Path.Combine(folder.FullName, "procedures.db");
        try
        {
            for (var run = 1; run <= 2; run++)
            {
                var shop = new Shop();
                var builder = Kernel.CreateBuilder().AddProceduralMemory(path);
                builder.Services.AddSingleton<IReplayApprover>(new AnsweringApprover("Ada"));
                builder.Plugins.Add(shop.Plugin());
                var kernel = builder.Build();
                await using var services = (IAsyncDisposable)kernel.Services;

                if (run == 1)
                {
                    await kernel.RecordedAsync(kernel.GetRequiredService<ProcedureMemory>(), () => kernel.CallAsync("shop.get_order", ("orderId", "W-1")));
                }
                else
                {
                    Assert.Equal(ReplyStatus.Completed, (await kernel.AskMemoryAsync("replay_procedure", ("name", "learned_task"), ("inputs", """{"orderId":"W-1"}"""))).Status);
                }

                Assert.Equal(["get_order W-1"], shop.Calls);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Options_are_set_in_place_and_seen_by_the_memory()
    {
        var kernel = Kernel.CreateBuilder().AddProceduralMemory(o => (o.DatabasePath, o.PluginName, o.MaxSteps) = (":memory:", "skills", 7)).Build();

        Assert.Equal(["skills", "learned"], kernel.Plugins.Select(p => p.Name));
        Assert.Equal(7, kernel.GetRequiredService<ProcedureMemory>().Options.MaxSteps);
        Assert.Same(Assert.Single(kernel.FunctionInvocationFilters), Assert.Single(kernel.AutoFunctionInvocationFilters));
        Assert.IsType<ProcedureRecordingFilter>(kernel.FunctionInvocationFilters[0]);
    }

    [Fact]
    public void Adding_it_twice_is_adding_it_once_and_the_first_options_stand()
    {
        var builder = Kernel.CreateBuilder();
        builder.AddProceduralMemory(o => (o.DatabasePath, o.MaxSteps) = (":memory:", 7)).AddProceduralMemory("elsewhere.db");
        builder.Services.AddProceduralMemory(o => o.PluginName = "others");
        var kernel = builder.Build();

        Assert.Equal(["procedures", "learned"], kernel.Plugins.Select(p => p.Name));
        Assert.Single(kernel.FunctionInvocationFilters);
        Assert.Single(kernel.AutoFunctionInvocationFilters);
        Assert.Equal(7, kernel.GetRequiredService<ProcedureMemory>().Options.MaxSteps);
    }

    [Fact]
    public void Options_that_are_not_valid_are_refused_at_once_with_all_that_is_wrong()
    {
        var fault = Assert.Throws<ValidationException>(() => Kernel.CreateBuilder().AddProceduralMemory(o =>
        {
            o.DatabasePath = "";
            o.MaxSteps = 0;
            o.MinimumScore = 2;
            o.PluginName = "my skills";
            o.AdminPluginName = "admin.skills";
        }));

        Assert.All(["DatabasePath", "MaxSteps", "MinimumScore", "PluginName", "AdminPluginName"], name => Assert.Contains(name, fault.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_pattern_that_names_no_functions_is_refused_at_once_together_with_the_other_faults()
    {
        var fault = Assert.Throws<ValidationException>(() => Kernel.CreateBuilder().AddProceduralMemory(o =>
        {
            o.MaxSteps = 0;
            o.Replay.AllowedFunctions = ["shop"];
            o.Replay.DeniedFunctions = ["*"];
        }));

        Assert.All(["MaxSteps", "'shop'", "'*'"], name => Assert.Contains(name, fault.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    public void A_path_must_be_given(string path) => Assert.ThrowsAny<ArgumentException>(() => Kernel.CreateBuilder().AddProceduralMemory(path));

    [Fact]
    public void Options_that_are_refused_leave_nothing_behind()
    {
        var builder = Kernel.CreateBuilder();
        Assert.Throws<ValidationException>(() => builder.AddProceduralMemory(o => o.MaxSteps = 0));

        builder.AddProceduralMemory(":memory:");

        Assert.Equal(["procedures", "learned"], builder.Build().Plugins.Select(p => p.Name));
    }

    [Fact]
    public async Task Kernels_from_one_container_share_the_memory_and_hold_recordings_of_their_own()
    {
        var services = new ServiceCollection();
        services.AddKernel();
        services.AddSingleton(new Shop().Plugin());
        services.AddProceduralMemory(o => (o.DatabasePath, o.Approval) = (":memory:", ApprovalPolicy.Never));
        await using var provider = services.BuildServiceProvider(new ServiceProviderOptions { ValidateScopes = true, ValidateOnBuild = true });
        var (one, two) = (provider.GetRequiredService<Kernel>(), provider.GetRequiredService<Kernel>());
        Assert.NotSame(one, two);
        var memory = provider.GetRequiredService<ProcedureMemory>();

        await one.StartRecordingAsync("of_one");
        await two.StartRecordingAsync("of_two");
        await one.CallAsync("shop.get_order", ("orderId", "one"));
        await two.CallAsync("shop.get_order", ("orderId", "two"));
        await one.FinalizeAsync();
        await two.FinalizeAsync();

        Assert.Equal("one", (await memory.GetAsync("of_one")).ConfirmedArguments().Single().GetProperty("orderId").GetString());
        Assert.Equal(ReplyStatus.Completed, (await one.AskMemoryAsync("replay_procedure", ("name", "of_two"), ("inputs", """{"orderId":"two"}"""))).Status);
    }

    [Fact]
    public async Task A_registered_generator_of_embeddings_makes_the_vectors_of_the_memory()
    {
        using var generator = new OneVectorGenerator();
        var builder = Kernel.CreateBuilder().AddProceduralMemory(":memory:");
        builder.Services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(generator);
        var memory = builder.Build().GetRequiredService<ProcedureMemory>();
        await memory.StoreAsync(new ProcedureDefinition { Name = "refund order", Steps = [new ProcedureStep { Action = "shop.refund" }] });

        var found = await memory.FindAsync("refund the order");

        Assert.True(found.UsedVectors);
        Assert.Equal(["refund the order", "refund order", "refund order shop.refund"], generator.Asked);
    }

    [Fact]
    public async Task A_generator_of_the_options_goes_before_a_registered_one()
    {
        using var registered = new OneVectorGenerator();
        using var given = new OneVectorGenerator();
        var builder = Kernel.CreateBuilder().AddProceduralMemory(o => (o.DatabasePath, o.EmbeddingGenerator) = (":memory:", given));
        builder.Services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(registered);
        var memory = builder.Build().GetRequiredService<ProcedureMemory>();
        await memory.StoreAsync(new ProcedureDefinition { Name = "refund order", Steps = [new ProcedureStep { Action = "shop.refund" }] });

        await memory.FindAsync("refund the order");

        Assert.Empty(registered.Asked);
        Assert.NotEmpty(given.Asked);
    }

    [Fact]
    public async Task A_store_of_the_hosts_own_takes_the_place_of_the_file()
    {
        var operations = new List<string>();
        var builder = Kernel.CreateBuilder().AddProceduralMemory(Path.Combine("no", "such", "folder", "procedures.db"));
        builder.Services.AddSingleton(FaultyStore.Around(new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" }), operation =>
        {
            operations.Add(operation);
            return null;
        }));
        var kernel = builder.Build();

        Assert.Equal(ReplyStatus.Recording, (await kernel.StartRecordingAsync()).Status);
        Assert.Contains(nameof(IProcedureStore.InsertTraceAsync), operations);
    }

    [Fact]
    public async Task A_memory_of_the_hosts_own_is_the_one_that_is_used()
    {
        using var memory = Given.Memory();
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton(memory);
        var kernel = builder.AddProceduralMemory(":memory:").Build();

        await kernel.StartRecordingAsync();

        Assert.Single(await memory.ListTracesAsync());
    }

    [Fact]
    public async Task A_kernel_that_is_built_already_can_be_given_a_memory()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        using var log = new LogBook();
        var kernel = new Kernel();
        kernel.Plugins.Add(shop.Plugin());

        Assert.Same(kernel, kernel.UseProceduralMemory(memory, "skills", new KernelReplayOptions { DeniedFunctions = ["shop.close"] }, log));

        await kernel.CallAsync("skills.start_recording", ("name", "x"), ("description", "x"));
        await kernel.CallAsync("shop.get_order", ("orderId", "W-1"));
        await kernel.CallAsync("skills.finalize");
        Assert.Equal(["shop.get_order"], (await memory.GetAsync("x")).Actions());
        await memory.StoredAsync("close", Given.Step("shop.close", """{"why":"x"}"""));
        Assert.Equal(ReplyStatus.Refused, (await kernel.CallAsync("skills.replay_procedure", ("name", "close"))).GetValue<PluginReply>()!.Status);
    }

    [Fact]
    public void A_kernel_that_has_the_plugin_already_takes_no_second_one_and_is_left_as_it_was()
    {
        using var memory = Given.Memory();
        var kernel = new Kernel().UseProceduralMemory(memory);

        var refusal = Assert.Throws<ArgumentException>(() => kernel.UseProceduralMemory(memory));

        Assert.Contains("has a plugin named 'procedures' already", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("pluginName", refusal.ParamName);
        Assert.Single(kernel.FunctionInvocationFilters);
        Assert.Equal(2, kernel.UseProceduralMemory(memory, "more").Plugins.Count);
    }

    [Fact]
    public async Task A_second_name_for_the_functions_of_a_memory_brings_no_second_filter()
    {
        using var memory = Given.Memory();
        using var other = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin()).UseProceduralMemory(memory, "more");

        Assert.Single(kernel.FunctionInvocationFilters);
        Assert.Single(kernel.AutoFunctionInvocationFilters);
        Assert.Equal(["shop.get_order"], (await kernel.RecordedAsync(memory, () => kernel.CallAsync("shop.get_order", ("orderId", "W-1")))).Actions());
        Assert.Equal(2, kernel.UseProceduralMemory(other, "others").FunctionInvocationFilters.Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("p.db")]
    public void A_database_that_cannot_be_is_refused_when_the_kernel_is_built(string name)
    {
        var folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        var path = Path.Combine(name.Length == 0 ? Path.GetTempPath() : folder, name);

        var fault = Assert.Throws<ProcedureStoreException>(() => Kernel.CreateBuilder().AddProceduralMemory(path).Build());

        Assert.Equal(StoreFault.Unreachable, fault.Fault);
        Assert.Contains(name.Length == 0 ? "is a folder. Name a file in it" : $"The folder '{folder}' of the database does not exist. Create it", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Services_take_a_path_too()
    {
        var services = new ServiceCollection();
        services.AddKernel();
        services.AddProceduralMemory(":memory:");
        await using var provider = services.BuildServiceProvider();

        Assert.Equal(["procedures", "learned"], provider.GetRequiredService<Kernel>().Plugins.Select(p => p.Name));
        Assert.Equal(":memory:", provider.GetRequiredService<ProcedureMemory>().Options.DatabasePath);
    }

    [Theory]
    [InlineData("shop.*", null, "'shop.*' is in KernelReplayOptions.DeniedFunctions")]
    [InlineData(null, "other.*", "it is not in KernelReplayOptions.AllowedFunctions")]
    public async Task A_function_that_may_not_be_replayed_is_answered_with_the_list_that_says_so(string? denied, string? allowed, string says)
    {
        using var memory = Given.Memory();
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var replay = await memory.ReplayAsync(
            Given.Kernel(memory, new Shop().Plugin()), "p", options: new KernelReplayOptions { DeniedFunctions = denied is null ? [] : [denied], AllowedFunctions = allowed is null ? null : [allowed] });

        Assert.Contains(says, Assert.Single(replay.Problems).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_admin_plugin_is_there_only_where_it_was_asked_for()
    {
        await using var without = await TestAgent.StartAsync();
        await using var with = await TestAgent.StartAsync(options: o => o.AdminPluginName = "curator");

        Assert.Equal(["procedures", "learned"], without.Kernel.Plugins.Select(p => p.Name));
        Assert.Equal(["curator", "learned", "procedures"], with.Kernel.Plugins.Select(p => p.Name).Order());
        Assert.Single(with.Kernel.FunctionInvocationFilters);
    }

    [Fact]
    public void Every_tool_name_fits_into_what_a_model_provider_takes()
    {
        var kernel = Kernel.CreateBuilder().AddProceduralMemory(o => (o.DatabasePath, o.PluginName, o.AdminPluginName) = (":memory:", new string('p', 32), new string('a', 32))).Build();

        Assert.All(kernel.Plugins.SelectMany(p => p), f => Assert.InRange($"{f.PluginName}-{f.Name}".Length, 1, 64));
    }

    [Fact]
    public async Task What_is_logged_goes_to_the_hosts_log_without_arguments_or_results()
    {
        using var log = new LogBook();
        await using var agent = await TestAgent.StartAsync(b =>
        {
            b.Plugins.Add(new Shop().Plugin());
            b.Services.AddSingleton<ILoggerFactory>(log);
        });

        await agent.AskAsync("Refund order W-1234.", Model.StartsRecording(), Model.Calls("shop-get_order", """{"orderId":"W-1234"}"""), Model.Finalizes());
        await agent.AskAsync("Again.", Model.Replays("learned_task", """{"orderId":"W-1234"}"""));

        var ours = log.Entries.Where(e => e.Category.StartsWith("ProceduralMemory", StringComparison.Ordinal)).ToList();
        Assert.Equal(3, ours.Count);
        Assert.All(ours, e => Assert.DoesNotMatch("W-1234|C-7788", e.Message));
    }

    /// <summary>Gives every text the same vector: what is shown is that it is asked.</summary>
    private sealed class OneVectorGenerator : IEmbeddingGenerator<string, Embedding<float>>
    {
        public List<string> Asked { get; } = [];

        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
        {
            var texts = values.ToList();
            Asked.AddRange(texts);
            return Task.FromResult<GeneratedEmbeddings<Embedding<float>>>([.. texts.Select(_ => new Embedding<float>(new float[] { 1, 2, 3 }))]);
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose() => Asked.Clear();
    }
}
