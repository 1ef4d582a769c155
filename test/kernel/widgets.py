"""Comms and widgets on the wire: what the kernel opens, what front ends send back, reloads, errors."""
import time
import unittest
from queue import Empty

from client import KernelCase, main

VIEW = "application/vnd.jupyter.widget-view+json"


class WidgetCase(KernelCase):
    def send(self, kind, content, metadata=None, buffers=None):
        """Sends a comm message; returns its id."""
        message = self.kc.session.msg(kind, content, metadata=metadata)
        self.kc.session.send(self.kc.shell_channel.socket, message, buffers=buffers)
        return message["header"]["msg_id"]

    def until_idle(self, msg_id, timeout=20):
        """What is published for a comm message, until the kernel says that it is done."""
        messages = []
        end = time.time() + timeout
        while time.time() < end:
            try:
                message = self.kc.get_iopub_msg(timeout=0.2)
            except Empty:
                continue
            messages.append(message)
            if message["parent_header"].get("msg_id") == msg_id and message["content"].get("execution_state") == "idle":
                return messages
        raise TimeoutError(str(messages)[-2000:])

    def message(self, comm_id, data, buffers=None):
        return self.until_idle(self.send("comm_msg", {"comm_id": comm_id, "data": data}, buffers=buffers))

    def update(self, comm_id, state, buffer_paths=(), buffers=None):
        data = {"method": "update", "state": state, "buffer_paths": list(buffer_paths)}
        return self.message(comm_id, data, buffers)

    def opened(self, result, name):
        """The ids of the models of a kind that a cell has opened."""
        return [
            m["content"]["comm_id"]
            for m in result.messages
            if m["msg_type"] == "comm_open" and m["content"]["data"]["state"]["_model_name"] == name
        ]

    def states(self):
        """What a page that is loaded again asks for."""
        self.send("comm_open", {"comm_id": "control", "target_name": "jupyter.widget.control", "data": {}}, {"version": "1.0.0"})
        answer = [m for m in self.message("control", {"method": "request_states"}) if m["msg_type"] == "comm_msg"]
        self.send("comm_close", {"comm_id": "control", "data": {}})
        self.assertEqual(answer[0]["content"]["data"]["method"], "update_states")
        return answer[0]["content"]["data"], answer[0]["buffers"]


class Comms(WidgetCase):
    def test_a_target_takes_comms_with_buffers_and_answers(self):
        self.check(
            'comms.register("mirror", (comm, opening) => {'
            '  comm.send({ greets: opening.data }, { metadata: { a: 1 }, buffers: opening.buffers });'
            '  comm.on("message", ({ data, buffers }) => comm.send({ got: data }, { buffers: buffers.map(b => b.slice().reverse()) }));'
            '  comm.on("close", ({ data }) => console.log("closed with", data));'
            "});"
        )
        opening = self.until_idle(
            self.send("comm_open", {"comm_id": "m1", "target_name": "mirror", "data": {"x": 1}}, buffers=[b"\x00\xff"])
        )
        answer = [m for m in opening if m["msg_type"] == "comm_msg"][0]
        self.assertEqual(answer["content"], {"comm_id": "m1", "data": {"greets": {"x": 1}}})
        self.assertEqual(answer["metadata"], {"a": 1})
        self.assertEqual(bytes(answer["buffers"][0]), b"\x00\xff")
        answer = [m for m in self.message("m1", {"y": [2]}, [b"abc", b""]) if m["msg_type"] == "comm_msg"][0]
        self.assertEqual(answer["content"]["data"], {"got": {"y": [2]}})
        self.assertEqual([bytes(b) for b in answer["buffers"]], [b"cba", b""])
        self.kc.comm_info("mirror")
        self.assertEqual(self.kc.get_shell_msg(timeout=10)["content"]["comms"], {"m1": {"target_name": "mirror"}})
        closing = self.until_idle(self.send("comm_close", {"comm_id": "m1", "data": {"why": 3}}))
        self.assertIn("closed with { why: 3 }\n", [m["content"].get("text") for m in closing])
        self.kc.comm_info("mirror")
        self.assertEqual(self.kc.get_shell_msg(timeout=10)["content"]["comms"], {})

    def test_an_unknown_target_is_closed_and_broken_messages_do_no_harm(self):
        messages = self.until_idle(self.send("comm_open", {"comm_id": "u1", "target_name": "nobody", "data": {}}))
        self.assertEqual([m["content"]["comm_id"] for m in messages if m["msg_type"] == "comm_close"], ["u1"])
        slider = self.opened(self.check("const whole = ui.slider({ max: 10 }); whole"), "IntSliderModel")[0]
        broken = [
            ("comm_open", {}),
            ("comm_open", {"comm_id": 5, "target_name": None}),
            ("comm_open", {"comm_id": "b1", "target_name": "jupyter.widget", "data": {"state": 3}}),
            ("comm_open", {"comm_id": "b2", "target_name": "jupyter.widget.control", "data": None}),
            ("comm_msg", {}),
            ("comm_msg", {"comm_id": "never", "data": {}}),
            ("comm_close", {"comm_id": []}),
        ]
        for data in [
            None,
            7,
            {},
            {"method": "strange"},
            {"method": "update"},
            {"method": "update", "state": [1]},
            {"method": "update", "state": {"value": "text", "no such": 1, "__proto__": {"x": 1}}},
            {"method": "update", "state": {"value": None}, "buffer_paths": [["value", "a", "b"], 5, [], ["__proto__", "y"]]},
            {"method": "custom"},
        ]:
            broken.append(("comm_msg", {"comm_id": slider, "data": data}))
        for kind, content in broken:
            with self.subTest(kind=kind, content=content):
                self.until_idle(self.send(kind, content, buffers=[b"1", b"2"]))
        self.check("[whole.value, ({} as any).x, ({} as any).y]", "[ 0, undefined, undefined ]")
        self.update(slider, {"value": 3})
        self.check("whole.value", "3")

    def test_a_handler_that_fails_says_so_and_the_next_message_is_heard(self):
        self.check('comms.register("failing", () => { throw new RangeError("not today") })')
        messages = self.until_idle(self.send("comm_open", {"comm_id": "f1", "target_name": "failing", "data": {}}))
        said = "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream" and m["content"]["name"] == "stderr")
        self.assertIn("not today", said)
        self.assertIn("comm_close", [m["msg_type"] for m in messages])
        self.check("1", "1")

    def test_what_cannot_be_sent_fails_where_it_is_sent(self):
        self.check('const line = comms.open("somewhere", { n: 1 })')
        self.fail_with("const round: any = {}; round.self = round; line.send(round)", "TypeError")
        self.check("line.send({ big: 10n }); line.close()")
        self.fail_with("line.send({})", "Error")


class Widgets(WidgetCase):
    def test_a_slider_opens_its_models_and_is_shown(self):
        result = self.check('const rate = ui.slider({ label: "noise", min: 0, max: 1, value: 0.5 }); rate')
        opening = [m for m in result.messages if m["msg_type"] == "comm_open"]
        self.assertTrue(all(m["metadata"] == {"version": "2.1.0"} for m in opening))
        self.assertTrue(all(m["content"]["target_name"] == "jupyter.widget" for m in opening))
        state = [m["content"]["data"]["state"] for m in opening if m["content"]["comm_id"] == self.opened(result, "FloatSliderModel")[0]][0]
        self.assertEqual(
            {k: state[k] for k in ["description", "min", "max", "value", "step", "readout_format", "_view_name", "_model_module_version"]},
            {"description": "noise", "min": 0, "max": 1, "value": 0.5, "step": 0.01, "readout_format": ".2f",
             "_view_name": "FloatSliderView", "_model_module_version": "2.0.0"},
        )
        ids = {m["content"]["comm_id"] for m in opening}
        known = self.states()[0]["states"]
        # Widgets whose styles are alike share them.
        self.assertEqual(known[state["layout"].removeprefix("IPY_MODEL_")]["model_name"], "LayoutModel")
        self.assertEqual(known[state["style"].removeprefix("IPY_MODEL_")]["model_name"], "SliderStyleModel")
        data = result.of("execute_result")[0]["data"]
        self.assertIn(data[VIEW]["model_id"], ids)
        self.assertEqual(data["text/plain"], "noise: 0.5")
        self.assertIn("noise", data["text/html"])

    def test_a_front_end_changes_a_value_and_the_kernel_answers_with_an_echo(self):
        slider = self.opened(
            self.check('const heard: number[] = []; const s2 = ui.slider({ max: 10 }); s2.on("change", v => heard.push(v)); s2'),
            "IntSliderModel",
        )[0]
        msg_id = self.send("comm_msg", {"comm_id": slider, "data": {"method": "update", "state": {"value": 4}, "buffer_paths": []}})
        messages = [m for m in self.until_idle(msg_id) if m["msg_type"] == "comm_msg"]
        self.assertEqual([m["content"]["data"]["method"] for m in messages], ["echo_update"])
        self.assertEqual(messages[0]["content"]["data"]["state"], {"value": 4})
        self.assertEqual(messages[0]["parent_header"]["msg_id"], msg_id)
        self.check("[s2.value, heard]", "[ 4, [ 4 ] ]")

    def test_the_kernel_changes_a_value_within_bounds(self):
        result = self.check("const s3 = ui.slider({ max: 10 }); s3.value = 700; s3.value = 800")
        updates = [m["content"]["data"] for m in result.messages if m["msg_type"] == "comm_msg"]
        self.assertEqual([(u["method"], u["state"]) for u in updates], [("update", {"value": 10})])
        self.fail_with("s3.value = NaN", "TypeError")

    def test_many_changes_go_together_and_the_last_one_arrives(self):
        result = self.check("const bar = ui.progress({ max: 1e5 }); for (let i = 0; i <= 1e5; i++) bar.value = i")
        updates = [m["content"]["data"]["state"]["value"] for m in result.messages if m["msg_type"] == "comm_msg"]
        self.assertLess(len(updates), 1000)
        self.assertEqual(updates[-1], 100000)

    def test_what_handlers_print_stands_below_the_widget_and_comes_back_after_a_reload(self):
        button = self.opened(
            self.check('const go = ui.button({ label: "Go" }); let clicks = 0;'
                       'go.on("click", async () => { await null; console.log("click", ++clicks); display(display.html("<b>shown</b>")) });'
                       'go.on("click", () => { throw new Error("broken handler") }); go'),
            "ButtonModel",
        )[0]
        messages = self.message(button, {"method": "custom", "content": {"event": "click"}})
        self.assertEqual([m for m in messages if m["msg_type"] in ("stream", "display_data", "error")], [])
        self.message(button, {"method": "custom", "content": {"event": "something else"}})
        self.check("clicks", "1")
        states, _ = self.states()
        outputs = [s["state"]["outputs"] for s in states["states"].values() if s["model_name"] == "OutputModel" and s["state"]["outputs"]]
        text = str(outputs)
        self.assertIn("click 1", text)
        self.assertIn("<b>shown</b>", text)
        self.assertIn("broken handler", text)

    def test_a_reloaded_page_gets_all_live_models_and_they_still_work(self):
        slider = self.opened(self.check("const live = ui.slider({ max: 100, value: 7 }); live"), "IntSliderModel")[0]
        gone = self.opened(self.check("const gone = ui.slider({ max: 100 }); gone.close(); gone"), "IntSliderModel")[0]
        self.update(slider, {"value": 42})
        data, _ = self.states()
        self.assertEqual(data["states"][slider]["state"]["value"], 42)
        self.assertEqual(data["states"][slider]["model_module"], "@jupyter-widgets/controls")
        self.assertNotIn(gone, data["states"])
        for state in data["states"].values():
            for value in state["state"].values():
                if isinstance(value, str) and value.startswith("IPY_MODEL_"):
                    self.assertIn(value.removeprefix("IPY_MODEL_"), data["states"])
        self.update(slider, {"value": 43})
        self.check("live.value", "43")
        state = [m for m in self.message(slider, {"method": "request_state"}) if m["msg_type"] == "comm_msg"]
        self.assertEqual(state[0]["content"]["data"]["state"]["value"], 43)
        # The page closes it.
        self.until_idle(self.send("comm_close", {"comm_id": slider, "data": {}}))
        self.assertNotIn(slider, self.states()[0]["states"])

    def test_a_front_end_may_make_models_of_its_own(self):
        def opening(comm_id, version):
            data = {"state": {"_model_name": "LayoutModel", "_model_module": "@jupyter-widgets/base", "width": "3em"}}
            content = {"comm_id": comm_id, "target_name": "jupyter.widget", "data": data}
            return self.until_idle(self.send("comm_open", content, {"version": version}))

        opening("front", "2.1.0")
        self.update("front", {"width": "4em"})
        self.assertEqual(self.states()[0]["states"]["front"]["state"]["width"], "4em")
        refused = opening("old", "1.0.0")
        self.assertIn("comm_close", [m["msg_type"] for m in refused])
        self.assertIn("version 2 of its protocol expected", str([m["content"] for m in refused]))
        self.assertNotIn("old", self.states()[0]["states"])

    def test_a_cell_that_awaits_a_change_gets_it(self):
        slider = self.opened(self.check("const awaited = ui.slider({ max: 10 }); awaited"), "IntSliderModel")[0]
        cell = self.kc.execute("await awaited.next() * 2")
        time.sleep(0.5)
        self.send("comm_msg", {"comm_id": slider, "data": {"method": "update", "state": {"value": 6}, "buffer_paths": []}})
        self.assertEqual(self.wait(cell, timeout=20).value, "12")

    def test_a_loop_over_a_control_sees_its_values_and_can_be_stopped(self):
        slider = self.opened(self.check("const loop = ui.slider({ max: 10 }); const seen: number[] = []; loop"), "IntSliderModel")[0]
        cell = self.kc.execute("for await (const v of loop) seen.push(v)")
        time.sleep(0.5)
        for value in [3, 5]:
            self.update(slider, {"value": value})
        self.km.interrupt_kernel()
        self.assertEqual(self.wait(cell, timeout=20).reply["ename"], "KeyboardInterrupt")
        self.check("seen", "[ 0, 3, 5 ]")
        self.check("loop.close(); for await (const v of loop) seen.push(v)")

    def test_a_handler_that_never_ends_can_be_stopped(self):
        button = self.opened(self.check('const endless = ui.button({ label: "x" }); endless.on("click", () => { while (true); }); endless'), "ButtonModel")[0]
        msg_id = self.send("comm_msg", {"comm_id": button, "data": {"method": "custom", "content": {"event": "click"}}})
        time.sleep(0.5)
        self.km.interrupt_kernel()
        self.until_idle(msg_id)
        self.check("1 + 1", "2")

    def test_choices_are_typed_and_keep_their_order(self):
        result = self.check(
            'const letter = ui.dropdown({ label: "letter", options: ["a", "b"] }); const width: "a" | "b" = letter.value;'
            "const named = ui.dropdown({ options: { small: 1, large: 2 }, value: 2 });"
            "const pair: readonly [number, number] = ui.range({ max: 10 }).value; const on: boolean = ui.checkbox().value; [width, named.value, pair, on]"
        )
        self.assertEqual(result.value, "[ 'a', 2, [ 0, 10 ], false ]")
        first = self.opened(result, "DropdownModel")[0]
        self.update(first, {"index": 1})
        self.check("letter.value", "'b'")
        self.update(first, {"index": 9})
        self.check("letter.value", "'b'")
        self.assertIn("TS2322", str(self.run_cell('letter.value = "c"').reply))
        self.assertIn("one of a, b expected", str(self.run_cell('(letter as any).value = "c"').reply))

    def test_interact_draws_anew_for_the_newest_values(self):
        result = self.check(
            "let draws = 0; ui.interact({ n: ui.slider({ max: 10, value: 2 }) }, async ({ n }) => { draws++; await null; return display.html(`<i>${n * n}</i>`) })"
        )
        slider = self.opened(result, "IntSliderModel")[0]
        output = str([s for s in self.states()[0]["states"].values() if s["model_name"] == "OutputModel"])
        self.assertIn("<i>4</i>", output)
        self.update(slider, {"value": 5})
        output = str([s for s in self.states()[0]["states"].values() if s["model_name"] == "OutputModel"])
        self.assertIn("<i>25</i>", output)
        self.assertNotIn("<i>4</i>", output)
        self.check("draws", "2")

    def test_an_output_area_takes_what_is_printed_in_it(self):
        result = self.check(
            'const area = ui.output(); area.capture(async () => { console.log("inside"); await new Promise(r => setTimeout(r, 20)); console.log("later") });'
            'console.log("outside"); await new Promise(r => setTimeout(r, 100)); 0'
        )
        self.assertEqual(result.text(), "outside\n")
        self.assertIn("inside\\nlater\\n", str(self.states()[0]))
        result = self.check('area.capture(() => { console.log("at once"); })')
        self.assertEqual(result.text(), "")
        self.assertIn("later\\nat once\\n", str(self.states()[0]))
        self.check("area.clear(); 0")
        self.assertNotIn("inside", str(self.states()[0]))


class Custom(WidgetCase):
    MODULE = "`export default { render({ model, el }) { el.textContent = model.get('count') } }`"

    def test_a_module_shares_its_state_and_messages(self):
        result = self.check(
            f"const counter = widget({{ module: {self.MODULE}, state: {{ count: 0, samples: new Float32Array([1, 2]) }}, css: '.c {{ color: red }}' }});"
            "const told: unknown[] = []; counter.on('change:count', n => told.push(n.toFixed(1))); counter.on('message', (content, buffers) => told.push(content, buffers.length)); counter"
        )
        opening = [m for m in result.messages if m["msg_type"] == "comm_open" and m["content"]["data"]["state"]["_model_name"] == "AnyModel"][0]
        data = opening["content"]["data"]
        self.assertEqual(data["state"]["_model_module"], "anywidget")
        self.assertIn("export default", data["state"]["_esm"])
        self.assertEqual(data["state"]["_css"], ".c { color: red }")
        self.assertEqual(data["buffer_paths"], [["samples"]])
        self.assertEqual(len(opening["buffers"][0]), 8)
        comm = opening["content"]["comm_id"]
        self.update(comm, {"count": 3}, [["samples"]], [b"\x00\x00\x80\x3f" * 3])
        self.check("[counter.get('count'), counter.get('samples')]", "[ 3, Float32Array(3) [ 1, 1, 1 ] ]")
        self.message(comm, {"method": "custom", "content": {"hello": 1}}, [b"x"])
        self.check("told", "[ '3.0', { hello: 1 }, 1 ]")
        result = self.check("counter.set('count', 9); counter.save(); counter.send({ ping: 1 }, [new Uint8Array([7])])")
        sent = [m for m in result.messages if m["msg_type"] == "comm_msg"]
        self.assertEqual([m["content"]["data"]["method"] for m in sent], ["update", "custom"])
        self.assertEqual(bytes(sent[1]["buffers"][0]), b"\x07")
        states, buffers = self.states()
        self.assertIn([comm, "state", "samples"], states["buffer_paths"])
        self.assertIn(b"\x00\x00\x80\x3f" * 3, [bytes(b) for b in buffers])
        self.assertIn("TS2345", str(self.run_cell("counter.set('count', 'text')").reply))
        self.assertIn("the state has count, samples", str(self.run_cell("(counter as any).set('other', 1)").reply))


class Names(WidgetCase):
    def test_cells_may_use_the_names_for_something_else(self):
        self.check("const widget = 1; let ui = 'mine'; const comms = [2]; [widget, ui, comms]", "[ 1, 'mine', [ 2 ] ]")
        self.check("[widget + 1, ui.length, comms[0]]", "[ 2, 4, 2 ]")


if __name__ == "__main__":
    main()
