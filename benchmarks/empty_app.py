"""A Gradio app whose only endpoint takes a file and does nothing: the floor that every request stands on."""

import argparse

import gradio as gr

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.Button().click(lambda file: None, gr.File(), gr.JSON(), api_name="empty")
    demo.launch(server_port=parser.parse_args().port, quiet=True, run_history=False, enable_monitoring=False)
