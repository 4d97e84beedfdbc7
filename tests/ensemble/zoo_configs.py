"""What makes each causal-LM configuration of transformers tiny: a recipe by field name, and what it does not reach."""

from __future__ import annotations

from typing import Any

LAYERS, VOCABULARY = 5, 48

RECIPE: dict[str, Any] = {
    # The whole model. A name that a class only knows through its attribute map (n_layer, d_model) counts too.
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": LAYERS,
    "num_layers": LAYERS,
    "intermediate_size": 24,
    "dff": 24,
    "dim_ff": 24,
    "ffn_dim": 24,
    "ffn_round_up_to_multiple_of": 8,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "init_std": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    # Attention.
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "rotary_dim": 4,
    "sliding_window": 4,
    "swa_num_attention_heads": 4,
    "swa_num_key_value_heads": 2,
    "swa_head_dim": 8,
    # Multi-head latent attention, and attention to indexed tokens.
    "q_lora_rank": 8,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "index_head_dim": 8,
    "index_n_heads": 8,  # With two, scores often tie at zero, and a cache then changes the choice among them.
    "index_topk": 4,
    # Mixtures of experts.
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 12,
    "shared_expert_intermediate_size": 12,
    "moe_shared_expert_intermediate_size": 12,
    "shared_intermediate_size": 12,
    "n_group": 1,
    "topk_group": 1,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    # State-space and linear-attention layers.
    "state_size": 4,
    "ssm_state_size": 4,
    "mamba_d_state": 4,
    "mamba_d_ssm": 64,
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_num_heads": 8,
    "mamba_head_dim": 8,
    "mamba_chunk_size": 4,
    "n_groups": 2,
    "chunk_size": 4,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    # What follows the head, strong enough to show.
    "final_logit_softcapping": 5.0,
    "logits_soft_cap": 5.0,
    "output_logit_soft_cap": 5.0,
    "logit_scale": 0.25,
    "logits_scaling": 4.0,
    "lm_head_multiplier": 0.25,
    "logits_mup_width_multiplier": 2.0,
    # Embeddings of their own for each layer.
    "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size_per_layer_input": 8,
}

OVERRIDES: dict[str, dict[str, Any]] = {
    "bailing_hybrid": {"layer_group_size": 2},
    "bamba": {"attn_layer_indices": [2, 4]},
    "cohere_compass_text": {
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
        }
    },
    "cpmant": {"dim_head": 8, "prompt_length": 2, "prompt_types": 4, "segment_types": 4},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 24, "moe_top_k": 2},
    },
    "deepseek_v4": {
        "num_key_value_heads": 1,
        "o_groups": 2,
        "o_lora_rank": 8,
        "compress_rates": {"compressed_sparse_attention": 2, "heavily_compressed_attention": 4},
    },
    "dots3_note": {"vision_config": {"adapter_out_dim": 32}, "audio_config": {"adapter_out_dim": 32}},
    "dots3_note_text": {
        "shared_experts_intermediate_size": 12,
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 4,
        "swa_q_lora_rank": 8,
        "swa_kv_lora_rank": 8,
        "swa_head_dim": 16,
        "swa_qk_nope_head_dim": 8,
        "swa_v_head_dim": 8,
    },
    "gemma3n_text": {
        "layer_types": [
            "sliding_attention",
            "full_attention",
            "sliding_attention",
            "sliding_attention",
            "full_attention",
        ],
        "num_kv_shared_layers": 2,
        "laurel_rank": 4,
    },
    "gemma4_text": {"global_head_dim": 16},
    "gemma4_unified_text": {"global_head_dim": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 2], [["global"], 1]]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention", "mamba", "mamba", "attention"]},
    "inkling_text": {"d_rel": 4, "rel_extent": 8},
    "inkling2_text": {"d_rel": 4, "rel_extent": 8},
    "kimi_linear": {"linear_head_dim": 8, "linear_num_heads": 4},
    "lfm2": {"block_multiple_of": 8},
    "lfm2_moe": {"layer_types": ["conv", "conv", "full_attention", "conv", "full_attention"]},
    "longcat_flash": {"zero_expert_num": 2},
    "mamba2": {"num_heads": 8},
    "minimax_m3_vl_text": {"index_block_size": 2, "index_topk_blocks": 2, "dense_intermediate_size": 24},
    "nemotron_h": {"layers_block_type": ["linear_attention", "moe", "full_attention", "mlp", "linear_attention"]},
    "qwen4_exp_text": {
        "hc_lowrank": 8,
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 4,
        "indexer_compress_ratio": 2,
    },
    "reformer": {
        "is_decoder": True,
        "attn_layers": ["local", "lsh", "local", "lsh", "local"],
        "attention_head_size": 8,
        "axial_pos_shape": [8, 8],
        "axial_pos_embds_dim": [16, 16],
        "feed_forward_size": 24,
        "num_buckets": 2,
    },
    "xlstm": {"qk_dim_factor": 2.0, "v_dim_factor": 2.0},  # Its cache rounds both widths up to 64.
    "zamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "zamba2": {"layers_block_type": ["mamba", "hybrid", "mamba", "mamba", "hybrid"], "adapter_rank": 4},
    "zaya": {"num_experts_per_tok": 1, "router_hidden_size": 8},
}
