using System.Text;
using ProceduralMemory.Capture;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Recall;

/// <summary>The ranked search by words.</summary>
public sealed class FindTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData("refund_order", "Refunds an order and tells the customer.", "refunding orders for customers")]
    [InlineData("deployService", "Deploys the web service.", "deploy the service")]
    [InlineData("DEPLOY-WEB-SERVICE", "", "Deploying web services!")]
    [InlineData("HTTPServerRestart", "", "restart the http server")]
    [InlineData("größe_ändern", "Ändert die Größe eines Bildes.", "Größe eines Bildes ändern")]
    [InlineData("crear_factura", "Crea una factura de crédito.", "CREAR FACTURA DE CREDITO")]
    public async Task Endings_case_accents_and_the_way_a_name_is_written_do_not_matter(string name, string description, string request)
    {
        await StoreAsync(name, description);
        await StoreAsync("water plants", "Waters the plants of the office.");

        Assert.Equal(name, Assert.Single((await Memory.FindAsync(request)).Matches).Procedure.Name);
    }

    [Theory]
    [InlineData("退款订单", "为客户的订单办理退款并发送确认邮件", "请给客户办理退款", "今天天气怎么样")]
    [InlineData("注文を返金する", "顧客の注文を返金して確認メールを送る", "顧客の注文を返金", "電車の時刻表")]
    [InlineData("คืนเงินคำสั่งซื้อ", "คืนเงินคำสั่งซื้อให้ลูกค้าและส่งอีเมลยืนยัน", "คืนเงินให้ลูกค้า", "พยากรณ์อากาศ")]
    [InlineData("주문 환불", "고객의 주문을 환불하고 확인 메일을 보낸다", "고객 주문 환불", "오늘 날씨")]
    [InlineData("استرداد الطلب", "استرداد مبلغ الطلب وإرسال رسالة إلى العميل", "استرداد مبلغ الطلب", "حالة الطقس اليوم")]
    [InlineData("вернуть деньги за заказ", "Вернуть клиенту деньги за заказ и отправить письмо", "вернуть клиенту деньги", "какая сегодня погода")]
    [InlineData("επιστροφή χρημάτων", "Επιστροφή χρημάτων στον πελάτη για την παραγγελία", "επιστροφη χρηματων", "ο καιρός σήμερα")]
    public async Task Text_of_any_script_is_found_by_a_part_of_it(string name, string description, string request, string other)
    {
        await StoreAsync(name, description);
        await StoreAsync("deploy service", "Deploys the web service.");

        Assert.Equal(name, Assert.Single((await Memory.FindAsync(request)).Matches).Procedure.Name);
        Assert.Empty((await Memory.FindAsync(other)).Matches);
    }

    [Theory]
    [InlineData("买", "买机票", "为客户购买机票")]
    [InlineData("票", "买机票", "为客户购买机票")]
    [InlineData("𠮷", "𠮷野", "𠮷野の予約")]
    [InlineData("佐々木", "佐々木さんの予約", "佐々木さんの席を予約する")]
    public async Task One_letter_of_a_script_without_blanks_is_a_word(string request, string name, string description)
    {
        await StoreAsync(name, description);
        await StoreAsync("退款订单", "为客户的订单办理退款");

        Assert.Equal(name, Assert.Single((await Memory.FindAsync(request)).Matches).Procedure.Name);
    }

    [Theory]
    [InlineData("Cancel the subscription of Alice Miller", "Cancel the subscription of Robert Brown", "Send the invoice to Alice Miller")]
    [InlineData("cancel order W-1001x", "cancel order W-7777y", "ship parcel W-1001x")]
    [InlineData("add the song \"Yellow Submarine\" to the list", "add the song \"Blue Moon\" to the list", "translate \"Yellow Submarine\" into French")]
    public async Task Names_numbers_and_quotations_count_less_than_the_words_of_the_task(string request, string sameTask, string sameValue)
    {
        await StoreAsync("one", sameTask);
        await StoreAsync("other", sameValue);

        var result = await Memory.FindAsync(request, new FindOptions { MinimumScore = 0 });

        Assert.Equal(["one", "other"], result.Matches.Select(m => m.Procedure.Name));
        Assert.True(result.Matches[0].Score > result.Matches[1].Score + 0.1, string.Join(' ', result.Matches.Select(m => m.Score)));
    }

    [Theory]
    [InlineData("delete the backup", "delete_user", "Delete the user")]
    [InlineData("delete the user", "delete_backup", "Delete the backup")]
    [InlineData("cancel the flight", "cancel_hotel", "Cancel the hotel")]
    [InlineData("book a table", "book_flight", "Book a flight")]
    [InlineData("restart the database", "restart_printer", "Restart the printer")]
    [InlineData("send the invoice", "send_newsletter", "Send the newsletter")]
    [InlineData("open an account", "open_ticket", "Open a ticket")]
    [InlineData("archive the project", "delete_project", "Delete the project")]
    [InlineData("grant access", "revoke_access", "Revoke access")]
    [InlineData("删除备份", "删除用户", "删除用户")]
    public async Task The_same_verb_with_another_object_does_not_fit(string request, string name, string description)
    {
        await StoreAsync(name, description);

        var result = await Memory.FindAsync(request);

        Assert.Empty(result.Matches);
        Assert.Equal(name, Assert.Single(result.NearMisses).Procedure.Name);
    }

    [Theory]
    [InlineData("delete the backup", "delete_backup", "Delete the backup")]
    [InlineData("cancel the flight", "cancel_flight", "Cancel the flight")]
    [InlineData("revoke access", "revoke_access", "Revoke access")]
    public async Task The_same_verb_with_the_same_object_fits_also_beside_such_with_others(string request, string name, string description)
    {
        await StoreAsync(name, description);
        await StoreAsync("delete_user", "Delete the user");
        await StoreAsync("cancel_hotel", "Cancel the hotel");
        await StoreAsync("grant_access", "Grant access");

        Assert.Equal(name, Assert.Single((await Memory.FindAsync(request)).Matches).Procedure.Name);
    }

    [Theory]
    [InlineData("what is the weather on Mars")]
    [InlineData("please do it for me")]
    [InlineData("the of and to")]
    [InlineData("?!")]
    [InlineData("42 1.4.0 2026-01-01")]
    [InlineData("😀🎉👩‍👩‍👧‍👦")]
    [InlineData("\" OR NEAR( * ^ :")]
    [InlineData("AND OR NOT NEAR")]
    [InlineData("name : description NOT (a* OR b) ^ - + \"\"\"")]
    [InlineData("'; drop table procedures; --")]
    [InlineData("1_weather tags:1_x")]
    [InlineData("\u202eמה מזג האוויר היום\u202c")]
    [InlineData("\u0000\u0001\u007f")]
    [InlineData("half \ud83d pair")]
    [InlineData("~~ ~~ ~")]
    public async Task Nothing_fits_what_has_nothing_in_common_whatever_it_is_made_of(string request)
    {
        await StoreAsync("deploy", "please deploy it for me to the server, 42 1.4.0 😀");
        await StoreAsync("refund order", "Refund the order.");

        var result = await Memory.FindAsync(request, new FindOptions { MinimumScore = 0 });

        Assert.Empty(result.Matches);
        Assert.Empty(result.NearMisses);
        Assert.Empty(result.Notes);
    }

    [Fact]
    public async Task Right_to_left_text_with_its_marks_is_found()
    {
        await StoreAsync("זיכוי הזמנה", "זיכוי הזמנה של לקוח");

        Assert.Single((await Memory.FindAsync("\u202bזיכוי הזמנה\u202c")).Matches);
    }

    [Fact]
    public async Task Of_a_request_of_100_KB_the_beginning_is_searched_for_and_that_is_said()
    {
        await StoreAsync("refund order", "Refund the order.");
        var request = new StringBuilder("refund the order ");
        while (request.Length < 100_000)
        {
            request.Append("refund order \ud83d\ude00 ");
        }

        var result = await Memory.FindAsync(request.ToString());

        Assert.Equal("refund order", Assert.Single(result.Matches).Procedure.Name);
        Assert.Equal($"Of the request's {request.Length} characters the first 16384 were searched for.", Assert.Single(result.Notes));
    }

    [Fact]
    public async Task A_request_of_thousands_of_words_is_answered()
    {
        await StoreAsync("refund order", "Refund the order.");

        var result = await Memory.FindAsync(string.Concat(Enumerable.Range(0, 4_000).Select(i => $"{(char)('a' + (i % 26))}{(char)('a' + (i / 26 % 26))}{(char)('a' + (i / 676 % 26))} ")));

        Assert.Empty(result.Matches);
    }

    [Fact]
    public async Task Options_out_of_range_and_empty_requests_are_refused()
    {
        foreach (var strategy in Enum.GetValues<FindStrategy>())
        {
            foreach (var options in new FindOptions[] { new() { Top = 0 }, new() { Top = -1 }, new() { Skip = -1 }, new() { MinimumScore = -0.01 }, new() { MinimumScore = 1.01 }, new() { MinimumScore = double.NaN } })
            {
                await _test.RefusesAsync<ArgumentOutOfRangeException>(() => Memory.FindAsync("deploy", options with { Strategy = strategy }));
            }

            foreach (var (options, named) in new (FindOptions, string)[]
                { (new() { Tags = null! }, "FindOptions.Tags"), (new() { Tags = [null!] }, "FindOptions.Tags"), (new() { States = null! }, "FindOptions.States"), (new() { States = [] }, "FindOptions.States") })
            {
                var refusal = await _test.RefusesAsync<ArgumentException>(() => Memory.FindAsync("deploy", options with { Strategy = strategy }));
                Assert.StartsWith(named, refusal.Message, StringComparison.Ordinal);
            }

            foreach (var request in new[] { "", "  \t\n" })
            {
                await _test.RefusesAsync<ArgumentException>(() => Memory.FindAsync(request, new FindOptions { Strategy = strategy }));
            }
        }
    }

    [Fact]
    public async Task Pages_give_each_match_once_in_one_order()
    {
        for (var i = 0; i < 23; i++)
        {
            await StoreAsync($"deploy service {(char)('a' + i)}{(char)('z' - i)}", "Deploys the service.");
        }

        var all = (await Memory.FindAsync("deploy service", new FindOptions { Top = 100 })).Matches.Select(m => m.Procedure.Name).ToList();
        var paged = new List<string>();
        for (var skip = 0; skip < 30; skip += 5)
        {
            paged.AddRange((await Memory.FindAsync("deploy service", new FindOptions { Top = 5, Skip = skip })).Matches.Select(m => m.Procedure.Name));
        }

        Assert.Equal(23, all.Count);
        Assert.Equal(all, paged);
        Assert.Empty((await Memory.FindAsync("deploy service", new FindOptions { Skip = int.MaxValue, Top = int.MaxValue })).Matches);
    }

    [Fact]
    public async Task Labels_that_are_asked_for_must_all_be_there_regardless_of_case_and_among_any_number()
    {
        await Memory.StoreAsync(Named("deploy service tagged", "Deploys the service.") with { Tags = ["Web-Shop", "GRÖSSE", "7", "iPhone"] });
        for (var i = 0; i < 120; i++)
        {
            await StoreAsync($"deploy service {Letters(i)}", "Deploys the service.");
        }

        foreach (var tags in new string[][] { ["web-shop"], ["GröSSe", "WEB-SHOP"], ["Web-Shop", "7"], ["IPHONE"] })
        {
            Assert.Equal("deploy service tagged", Assert.Single((await Memory.FindAsync("deploy service", new FindOptions { Tags = tags })).Matches).Procedure.Name);
        }

        Assert.Empty((await Memory.FindAsync("deploy service", new FindOptions { Tags = ["web"] })).Matches);
        Assert.Empty((await Memory.FindAsync("deploy service", new FindOptions { Tags = ["web-shop", "\" OR ("] })).Matches);
        Assert.Empty((await Memory.FindAsync("deploy service", new FindOptions { Tags = ["?!"] })).Matches);
    }

    [Theory]
    [InlineData(FindStrategy.Ranked)]
    [InlineData(FindStrategy.Words)]
    [InlineData(FindStrategy.KeywordOverlap)]
    public async Task Only_the_states_that_are_asked_for_are_shown(FindStrategy strategy)
    {
        await StoreAsync("deploy service one");
        await Memory.ImportAsync("""{"format":1,"name":"deploy service two","steps":[{"action":"t.a"}]}""");
        await StoreAsync("deploy service three");
        await StoreAsync("deploy service four");
        await Memory.MergeAsync(["deploy service three", "deploy service four"]);

        Assert.Equal(["deploy service one", "deploy service three"], await NamesAsync(VersionState.Active));
        Assert.Equal(["deploy service two"], await NamesAsync(VersionState.Draft));
        Assert.Equal(["deploy service four"], await NamesAsync(VersionState.Retired));
        Assert.Equal(["deploy service four", "deploy service one", "deploy service three", "deploy service two"], await NamesAsync(VersionState.Active, VersionState.Draft, VersionState.Retired));
        async Task<IEnumerable<string>> NamesAsync(params VersionState[] states) =>
            (await Memory.FindAsync("deploy service", new FindOptions { States = states, Strategy = strategy })).Matches.Select(m => m.Procedure.Name).Order(StringComparer.Ordinal);
    }

    [Theory]
    [InlineData(FindStrategy.Ranked)]
    [InlineData(FindStrategy.KeywordOverlap)]
    public async Task What_is_out_of_use_or_a_draft_is_left_out_with_the_reason(FindStrategy strategy)
    {
        await Memory.ImportAsync("""{"format":1,"name":"deploy service two","steps":[{"action":"t.a"}]}""");
        await StoreAsync("deploy service three");
        await StoreAsync("deploy service four");
        await StoreAsync("deploy service five");
        await Memory.MergeAsync(["deploy service three", "deploy service four"]);
        _test.Execute("update procedures set retired = 1 where name like '%five'");

        var leftOut = (await Memory.FindAsync("deploy service", new FindOptions { Strategy = strategy })).LeftOut;

        Assert.Equal(
            [
                (LeftOutReason.Retired, "'deploy service five' is out of use. Activate a version of it to use it again."),
                (LeftOutReason.Retired, "'deploy service four' was merged into 'deploy service three'. Use that one, or activate a version of this one."),
                (LeftOutReason.Draft, "'deploy service two' is a draft. Activate a version of it to use it."),
            ],
            leftOut.Select(l => (l.Reason, l.Explanation)).Order());
    }

    [Theory]
    [InlineData(FindStrategy.Ranked)]
    [InlineData(FindStrategy.KeywordOverlap)]
    public async Task What_calls_a_function_that_is_not_there_or_needs_an_input_that_nobody_has_is_left_out(FindStrategy strategy)
    {
        await Memory.StoreAsync(Given.Definition("deploy service one", Given.Step("kube.apply"), Given.Nested("inner"), Given.Step("do it by hand") with { Kind = StepKind.Manual }));
        await Memory.StoreAsync(Given.Definition("deploy service two", Given.Step("ssh.copy", """{"host":"$inputs.host","port":"$inputs.port"}"""))
            .Taking(Given.Input("host"), Given.Input("port") with { Required = false, Default = Given.Value("22") }));
        var options = new FindOptions { Strategy = strategy };

        Assert.Equal(2, (await Memory.FindAsync("deploy service", options)).Matches.Count);

        var without = await Memory.FindAsync("deploy service", options with { HasFunction = f => f != "kube.apply" });
        Assert.Equal("deploy service two", Assert.Single(without.Matches).Procedure.Name);
        Assert.Equal(new LeftOutProcedure("deploy service one", LeftOutReason.MissingFunction, "'deploy service one' calls kube.apply, which cannot be called here."), Assert.Single(without.LeftOut));

        var inputs = await Memory.FindAsync("deploy service", options with { AvailableInputs = [] });
        Assert.Equal("deploy service one", Assert.Single(inputs.Matches).Procedure.Name);
        Assert.Equal(new LeftOutProcedure("deploy service two", LeftOutReason.MissingInput, "'deploy service two' needs host."), Assert.Single(inputs.LeftOut));
        Assert.Equal(2, (await Memory.FindAsync("deploy service", options with { AvailableInputs = ["host"], HasFunction = f => f is "kube.apply" or "ssh.copy" })).Matches.Count);
    }

    [Fact]
    public async Task What_does_not_fit_is_not_named_among_what_is_left_out()
    {
        await StoreAsync("delete user", "Delete the user", "users.delete");

        var result = await Memory.FindAsync("delete the backup", new FindOptions { HasFunction = _ => false });

        Assert.Empty(result.LeftOut);
        Assert.Empty(result.Matches);
    }

    [Fact]
    public async Task A_namesake_in_a_scope_further_away_is_left_out_with_the_reason()
    {
        await In("team").StoreAsync(Named("Deploy Service", "Deploys the service."));
        var ann = In("ann", "team");
        await ann.StoreAsync(Named("deploy service", "Deploys the service."));

        var result = await ann.FindAsync("deploy service");

        Assert.Equal("ann", Assert.Single(result.Matches).Procedure.Scope);
        var left = Assert.Single(result.LeftOut);
        Assert.Equal((LeftOutReason.OtherScope, "'Deploy Service' stands in a nearer scope as well, and that one is meant by the name."), (left.Reason, left.Explanation));
    }

    [Fact]
    public async Task What_succeeded_95_times_of_100_comes_before_what_succeeded_once_and_recency_breaks_ties()
    {
        foreach (var name in new[] { "deploy service a", "deploy service b", "deploy service c", "deploy service d" })
        {
            await StoreAsync(name, action: "t.a");
        }

        await ReplayAsync("deploy service a", successes: 1);
        await ReplayAsync("deploy service b", successes: 95, failures: 5);
        await ReplayAsync("deploy service c", successes: 1);

        var result = await Memory.FindAsync("deploy service");

        Assert.Equal(["deploy service b", "deploy service c", "deploy service a", "deploy service d"], result.Matches.Select(m => m.Procedure.Name));
        Assert.Equal(
            [
                "has deploy, service; 95 of 100 succeeded (at least 0.89)",
                "has deploy, service; 1 of 1 succeeded (at least 0.21); fits as well as 'deploy service b', which is surer to succeed",
                "has deploy, service; 1 of 1 succeeded (at least 0.21); fits as well as 'deploy service c', which ran later",
                "has deploy, service; never executed; fits as well as 'deploy service a', which is surer to succeed",
            ],
            result.Matches.Select(m => m.Reason));
        Assert.Equal(["deploy", "service"], result.Matches[0].MatchedWords);

        Assert.Equal("deploy service c", (await Memory.FindAsync("deploy service", new FindOptions { Order = FindOrder.SuccessRate })).Matches[0].Procedure.Name);
    }

    [Fact]
    public async Task Those_out_of_use_take_no_place_of_those_in_use_however_many_they_are()
    {
        for (var i = 0; i < 120; i++)
        {
            await Memory.ImportAsync($$"""{"format":1,"name":"deploy web service {{(char)('a' + (i % 26))}}{{(char)('a' + (i / 26))}}","steps":[{"action":"t.a"}]}""");
        }

        await StoreAsync("deploy service", "Deploys a web service to the cluster and tells the team");

        Assert.Equal("deploy service", Assert.Single((await Memory.FindAsync("deploy the web service", new FindOptions { MinimumScore = 0.1 })).Matches).Procedure.Name);
    }

    [Fact]
    public async Task What_fits_less_says_so_and_what_comes_close_is_a_near_miss()
    {
        await StoreAsync("refund order", "Refund the order of a customer and send a mail");
        await StoreAsync("refund voucher", "Refund the voucher");
        await StoreAsync("water plants", "Water the plants");

        var result = await Memory.FindAsync("refund the order and mail the customer");

        Assert.Equal("refund order", Assert.Single(result.Matches).Procedure.Name);
        var miss = Assert.Single(result.NearMisses);
        Assert.Equal(("refund voucher", "has refund; the request has another word where it says what it does; never executed"), (miss.Procedure.Name, miss.Reason));
        Assert.InRange(miss.Score, 0.01, result.MinimumScore);

        var all = await Memory.FindAsync("refund the order and mail the customer", new FindOptions { MinimumScore = 0 });
        Assert.Equal("has refund; the request has another word where it says what it does; never executed; fits less than 'refund order'", all.Matches[1].Reason);
        Assert.Equal(0, all.MinimumScore);
    }

    [Fact]
    public async Task Another_scope_changes_neither_result_nor_score()
    {
        await FillAsync(In("ann"));
        var before = await AskAsync();

        var others = In("bob");
        for (var i = 0; i < 30; i++)
        {
            await others.StoreAsync(Named($"refund order {Letters(i)}", "Refund the zebra order of a customer, deploy service, mail"));
        }

        await others.ReplayAsync(new ScriptedExecutor(), "refund order a", new ReplayRequest { Request = "zebra refund order" });

        Assert.Equal(before, await AskAsync());

        async Task<string> AskAsync()
        {
            var text = new StringBuilder();
            foreach (var request in new[] { "refund the order", "zebra", "refund the zebra order", "deploy service", "send a mail to the customer" })
            {
                foreach (var strategy in Enum.GetValues<FindStrategy>())
                {
                    var found = await In("ann").FindAsync(request, new FindOptions { MinimumScore = 0.2, Strategy = strategy });
                    foreach (var match in found.Matches.Concat(found.NearMisses))
                    {
                        Assert.Equal("ann", match.Procedure.Scope);
                        text.AppendLine(FormattableString.Invariant($"{request}: {match.Procedure.Name} {match.Score:R} {match.Reason}"));
                    }

                    text.AppendLine(string.Join(' ', found.Notes.Concat(found.LeftOut.Select(l => l.Explanation))));
                }
            }

            return text.ToString();
        }
    }

    [Fact]
    public async Task The_request_of_a_replay_that_succeeded_is_another_wording()
    {
        await StoreAsync("refund order", "Refund the order.");
        const string Wording = "give grandmother her money back";
        Assert.Empty((await Memory.FindAsync(Wording)).Matches);

        await Memory.ReplayAsync(new ScriptedExecutor(), "refund order", new ReplayRequest { Request = Wording });

        Assert.Equal("refund order", Assert.Single((await Memory.FindAsync(Wording)).Matches).Procedure.Name);
        Assert.Equal("refund order", Assert.Single((await Memory.FindAsync("refund the order")).Matches).Procedure.Name);
    }

    [Fact]
    public async Task The_request_of_a_replay_that_failed_or_was_refused_is_none()
    {
        await Memory.StoreAsync(Given.Definition("refund order", Given.Step("t.a", """{"x":"$inputs.x"}""")).Taking(Given.Input("x")));
        const string Wording = "give grandmother her money back";

        await Memory.ReplayAsync(new ScriptedExecutor().Fails("t.a"), "refund order", Given.With(("x", "1")) with { Request = Wording });
        await Memory.ReplayAsync(new ScriptedExecutor(), "refund order", new ReplayRequest { Request = Wording });

        Assert.Equal(0, Wordings());
        Assert.Empty((await Memory.FindAsync(Wording, new FindOptions { MinimumScore = 0 })).Matches);
    }

    [Fact]
    public async Task The_request_belongs_to_the_procedure_that_was_asked_for_and_not_to_those_inside_it()
    {
        await StoreAsync("inner", "Sends a mail.");
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("inner")));

        await Memory.ReplayAsync(new ScriptedExecutor(), "outer", new ReplayRequest { Request = "give grandmother her money back" });

        Assert.Equal(1, Wordings());
        Assert.Equal("outer", Assert.Single((await Memory.FindAsync("give grandmother her money back")).Matches).Procedure.Name);
    }

    [Fact]
    public async Task Requests_that_differ_in_values_alone_are_one_wording()
    {
        await StoreAsync("refund order", "Refund the order.");
        foreach (var request in new[] { "pay order W-1 back to Alice", "Pay order W-2 back to Bob!", "pay order 77 back to Carol", "pay orders \"A b\" back to Dave" })
        {
            await Memory.ReplayAsync(new ScriptedExecutor(), "refund order", new ReplayRequest { Request = request });
        }

        Assert.Equal(1, Wordings());
        Assert.Equal(1, Wordings("uses = 4"));

        await Memory.ReplayAsync(new ScriptedExecutor(), "refund order", new ReplayRequest { Request = "W-1 77" });
        await Memory.ReplayAsync(new ScriptedExecutor(), "refund order", new ReplayRequest());
        Assert.Equal(1, Wordings());
    }

    [Fact]
    public async Task At_most_20_wordings_are_kept_and_the_one_that_was_used_longest_ago_goes()
    {
        await StoreAsync("refund order", "Refund the order.");
        for (var i = 0; i < 20; i++)
        {
            await ReplayForAsync($"wording{Letters(i)} money");
        }

        await ReplayForAsync("wordinga money");
        await ReplayForAsync("wordingnew money");

        Assert.Equal(20, Wordings());
        Assert.Equal(0, Wordings("request = 'wordingb money'"));
        Assert.Equal(1, Wordings("request = 'wordinga money'"));
        Assert.Empty((await Memory.FindAsync("wordingb")).Matches);
        Assert.Single((await Memory.FindAsync("wordinga money")).Matches);
        Assert.Single((await Memory.FindAsync("wordingnew money")).Matches);

        async Task ReplayForAsync(string request)
        {
            _test.Time.Advance(TimeSpan.FromMinutes(1));
            await Memory.ReplayAsync(new ScriptedExecutor(), "refund order", new ReplayRequest { Request = request });
        }
    }

    [Fact]
    public async Task A_wording_is_kept_redacted()
    {
        await StoreAsync("refund order", "Refund the order.");

        await Memory.ReplayAsync(new ScriptedExecutor(), "refund order", new ReplayRequest { Request = "pay back with Bearer abcdefsecretghijklmnop1234567890 and password=abcdefsecretghijklmnop" });

        Assert.Equal(1, Wordings());
        Assert.DoesNotContain("secretghij", _test.Dump(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("find the flight", false)]
    [InlineData("cancel the flight", true)]
    public async Task What_a_step_does_on_the_way_is_not_what_the_task_is_for(string request, bool fits)
    {
        using var test = TestMemory.InMemory();
        await test.Memory.StoreAsync(Given.Definition("cancel_flight", Given.Step("flights.find"), Given.Step("flights.cancel")) with { Description = "Cancel the flight." });

        var found = await test.Memory.FindAsync(request);

        Assert.Equal(fits, found.Matches.Count == 1);
    }

    [Fact]
    public async Task The_request_of_a_recording_is_searched_too()
    {
        await Memory.RecordedAsync(new RecordingDetails { Name = "task", Request = "send the reminder to all members" }, ("t.a", "{}", "1"));

        Assert.Equal("task", Assert.Single((await Memory.FindAsync("send a reminder to the members")).Matches).Procedure.Name);
    }

    private static async Task FillAsync(ProcedureMemory memory)
    {
        await memory.StoreAsync(Named("refund order", "Refund the order of a customer and send a mail"));
        await memory.StoreAsync(Named("deploy service", "Deploy the service"));
        await memory.StoreAsync(Named("refund voucher", "Refund the voucher"));
    }

    private static ProcedureDefinition Named(string name, string description = "", string action = "t.a") => Given.Definition(name, Given.Step(action)) with { Description = description };

    /// <summary>A number in letters, since numbers are no words.</summary>
    private static string Letters(int number) => number < 26 ? $"{(char)('a' + number)}" : $"{Letters((number / 26) - 1)}{Letters(number % 26)}";

    private ProcedureMemory In(string write, params string[] read) => _test.Open(o => o.Scope = () => new MemoryScope(write, read));

    private Task<Procedure> StoreAsync(string name, string description = "", string action = "t.a") => Memory.StoreAsync(Named(name, description, action));

    private async Task ReplayAsync(string name, int successes, int failures = 0)
    {
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        for (var i = 0; i < successes + failures; i++)
        {
            var executor = new ScriptedExecutor();
            await Memory.ReplayAsync(i < successes ? executor : executor.Fails("t.a"), name, Given.With());
        }
    }

    private long Wordings(string where = "true") => long.Parse(_test.Rows($"select count(*) from procedure_wordings where {where}")[0], System.Globalization.CultureInfo.InvariantCulture);
}
